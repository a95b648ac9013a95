package stack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Left lists the processes that belong to a data folder: it stands in their arguments or their environment. The
// instances have their home in it, and so does whatever they start.
func Left(data string) (list []string) {
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, f := range folders {
		pid, err := strconv.Atoi(filepath.Base(f))
		if err != nil || pid == os.Getpid() {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(f, "cmdline")) // it may end at this moment
		env, _ := os.ReadFile(filepath.Join(f, "environ"))
		stat, _ := os.ReadFile(filepath.Join(f, "stat"))
		if bytes.Contains(stat, []byte(") Z ")) {
			continue // ended, its parent has not looked yet
		}
		if bytes.Contains(args, []byte(data)) || bytes.Contains(env, []byte(data)) {
			list = append(list, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(args, []byte{0}, []byte(" "))))
		}
	}
	return list
}
