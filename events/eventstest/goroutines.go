package eventstest

import (
	"runtime"
	"slices"
	"strings"
)

// stacksLimit bounds what [Goroutines] looks at, in bytes: some thousands of stacks.
const stacksLimit = 4 << 20

// Goroutines gives the stacks of the goroutines that run code named by one of the words, such as "streamstack/agent", but not
// those of tests: what is left when a component has stopped.
func Goroutines(words ...string) (stacks []string) {
	all := make([]byte, stacksLimit)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "_test.go") {
			continue
		}
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(stack, w) }) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
