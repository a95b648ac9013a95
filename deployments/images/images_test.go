package images

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// list reads the names in a list of packages; with none of the section "building", if it has one.
func list(t *testing.T, path string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	building := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			building = strings.HasPrefix(line, "# building")
		}
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 && !building {
			names = append(names, words[0])
		}
	}
	return names
}

// An image holds what running takes on a machine, and what the program is linked with.
func TestPackages(t *testing.T) {
	image := list(t, "packages.txt")
	for _, name := range list(t, "../setup/run.txt") {
		if !strings.HasSuffix(name, "?") { // only where the distribution has it
			require.Contains(t, image, name, "a package that run.txt names and packages.txt does not")
		}
	}
	own := []string{"libgstreamer1.0-0", "libgstreamer-plugins-base1.0-0", "libyuv0", "gstreamer1.0-tools", "ca-certificates"}
	for _, name := range image {
		require.True(t, slices.Contains(own, name) || slices.Contains(list(t, "../setup/run.txt"), name), "%s is in no list of what a machine needs", name)
	}
}

// Wrong usage is told in words before anything is built.
func TestWrongUsage(t *testing.T) {
	for says, args := range map[string][]string{
		"usage: build.sh":            {"--base"},
		"there is no option --fast":  {"--fast", "yes"},
		"no program /no/such: run: ": {"--binary", "/no/such"},
	} {
		out, err := exec.CommandContext(t.Context(), "sh", append([]string{"build.sh"}, args...)...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), says)
	}
}
