package guest

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
)

// Where a container finds its own cgroup's count of processes that the kernel ended for want of memory: memory.events of cgroup
// v2, memory.oom_control of v1 (Linux, admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). Both have a line "oom_kill N".
var countFiles = []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}

// kills is how many processes of this container the kernel has ended because it used more memory than it may; 0 where that
// cannot be known.
func kills() int {
	for _, path := range countFiles {
		if text, err := os.ReadFile(path); err == nil {
			return parseKills(text)
		}
	}
	return 0
}

func parseKills(text []byte) int {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if count, found := bytes.CutPrefix(lines.Bytes(), []byte("oom_kill ")); found {
			n, err := strconv.Atoi(string(count))
			if err == nil {
				return n
			}
		}
	}
	return 0
}
