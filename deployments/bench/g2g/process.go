package g2g

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux (proc(5), time(7)).
const tick = 10 * time.Millisecond

// process is what /proc/PID/stat says of one.
type process struct {
	parent  int
	started uint64 // ticks since boot
	cpu     time.Duration
}

// processes reads all that run.
func processes() map[int]process {
	all := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything; the fields after it are numbered from 3 (state).
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		field := func(n int) uint64 {
			v, err := strconv.ParseUint(string(fields[n-3]), 10, 64)
			if err != nil {
				return 0
			}
			return v
		}
		if len(fields) < 20 {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		if err != nil {
			continue
		}
		all[pid] = process{parent: int(field(4)), started: field(22), cpu: time.Duration(field(14)+field(15)) * tick}
	}
	return all
}

// tree is a process and everything below it.
func tree(all map[int]process, root int) (pids []int) {
	for pid := range all {
		for p := pid; p > 1; p = all[p].parent {
			if p == root {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// Load measures what trees of processes take. It is for one goroutine.
type Load struct {
	t       testing.TB
	roots   map[string]int
	from    time.Time
	before  map[int]process
	machine time.Duration
}

// Others is the name under which [Load.Stop] gives what all other processes took: where that is much, the figures beside it
// are not worth keeping.
const Others = "others"

// StartLoad begins to measure the trees below these processes, by a name for each. A tree that lies in another counts for
// both.
func StartLoad(t testing.TB, roots map[string]int) *Load {
	t.Helper()
	return &Load{t: t, roots: roots, from: time.Now(), before: processes(), machine: busy()}
}

// Used is what a tree took.
type Used struct {
	// CPU is in seconds of one core for each second that passed.
	CPU float64
	// Bytes are what the tree holds of the machine's memory: shared pages count in parts (PSS of proc(5)).
	Bytes int64
}

// Stop returns what each tree has taken since the start. Processes that ended in between are not counted.
func (l *Load) Stop() map[string]Used {
	l.t.Helper()
	now, took, machine := processes(), time.Since(l.from), busy()-l.machine
	used, known := map[string]Used{}, map[int]bool{}
	for name, root := range l.roots {
		var u Used
		for _, pid := range tree(now, root) {
			cpu := now[pid].cpu - l.before[pid].cpu
			if !known[pid] {
				known[pid] = true
				machine -= cpu
			}
			u.CPU += cpu.Seconds() / took.Seconds()
			u.Bytes += memory(pid)
		}
		used[name] = u
	}
	used[Others] = Used{CPU: max(0, machine.Seconds()/took.Seconds())}
	return used
}

// busy is what all processes have taken since the machine started, and what the host took away from it (proc(5), /proc/stat).
func busy() (sum time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return 0
	}
	return time.Duration(user+nice+system+irq+soft+steal) * tick
}

// memory is the process's proportional share, 0 of one that has ended.
func memory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}

// Streamer is the streamer that was started last below a process, which is a stack.
func Streamer(t testing.TB, stack int) (pid int) {
	t.Helper()
	all := processes()
	for _, p := range tree(all, stack) {
		argv := strings.Split(readProc(p, "cmdline"), "\x00")
		if len(argv) > 1 && argv[1] == "streamer" && all[p].started >= all[pid].started {
			pid = p
		}
	}
	require.NotZero(t, pid, "a streamer below process %d", stack)
	return pid
}

// Environment is a variable of another process; empty if it has none.
func Environment(pid int, name string) string {
	all := strings.Split(readProc(pid, "environ"), "\x00")
	if i := slices.IndexFunc(all, func(v string) bool { return strings.HasPrefix(v, name+"=") }); i >= 0 {
		return strings.TrimPrefix(all[i], name+"=")
	}
	return ""
}

func readProc(pid int, file string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return ""
	}
	return string(text)
}

// Machine describes the machine for a table: processor, cores, kernel, and the day.
func Machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	cores := 0
	if files, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*"); err == nil {
		cores = len(files)
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty where there is none
	return fmt.Sprintf("%s: %s, %d cores, Linux %s", time.Now().Format(time.DateOnly), model, cores, strings.TrimSpace(string(kernel)))
}
