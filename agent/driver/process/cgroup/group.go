package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits bound a group; zero is no limit.
type Limits struct {
	Memory int64   // bytes, swap included
	CPUs   float64 // cores
	Tasks  int     // processes and threads
}

// Group is a tree of processes with limits. Its methods may be called concurrently, but for Remove, after which nothing else may be.
type Group struct {
	// v1 are its folders by controller, v2 is the one of version 2, empty where it has none.
	v1 map[string]string
	v2 string
}

// Group names a group; it is there once Make has been called.
func (h *Host) Group(name string) *Group {
	g := &Group{v1: map[string]string{}}
	for c, folder := range h.v1 {
		g.v1[c] = filepath.Join(folder, name)
	}
	if h.v2 != "" {
		g.v2 = filepath.Join(h.v2, name)
	}
	return g
}

// Make makes a group with limits.
func (h *Host) Make(name string, l Limits) (*Group, error) {
	g := h.Group(name)
	if err := errors.Join(g.make(), g.Limit(l)); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// Folders are those of the group, for [Reopen].
func (g *Group) Folders() map[string]string {
	all := maps.Clone(g.v1)
	if g.v2 != "" {
		all[""] = g.v2
	}
	return all
}

// Reopen is a group that an earlier process has made, by its folders.
func Reopen(folders map[string]string) *Group {
	g := &Group{v1: maps.Clone(folders), v2: folders[""]}
	delete(g.v1, "")
	return g
}

func (g *Group) make() error {
	for _, folder := range g.Folders() {
		if err := os.Mkdir(folder, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// period is what processor time is measured out over, in microseconds: the kernel's default.
const period = 100_000

// Limit gives the group other limits.
func (g *Group) Limit(l Limits) error {
	memory, quota, tasks := "max", "max", "max"
	if l.Memory > 0 {
		memory = strconv.FormatInt(l.Memory, 10)
	}
	if l.CPUs > 0 {
		quota = strconv.Itoa(max(1000, int(l.CPUs*period))) // the kernel takes 1 ms at least
	}
	if l.Tasks > 0 {
		tasks = strconv.Itoa(l.Tasks)
	}
	ram := func() error {
		return g.set("memory", setting{"memory.limit_in_bytes", unlimited(memory), false}, setting{"memory.max", memory, false})
	}
	first := ram()
	if errors.Is(first, syscall.EINVAL) { // version 1: more than with swap, whose limit is raised first
		first = nil
	}
	return errors.Join(
		first,
		// Swap counts too: the kernel may have been built, or started, without.
		g.set("memory", setting{"memory.memsw.limit_in_bytes", unlimited(memory), true}, setting{"memory.swap.max", swap(l), true}),
		ram(),
		g.set("cpu", setting{"cpu.cfs_quota_us", unlimited(quota), false}, setting{"cpu.max", quota + " " + strconv.Itoa(period), false}),
		g.set("pids", setting{"pids.max", tasks, false}, setting{"pids.max", tasks, false}),
	)
}

// setting is a control file and its value; optional where a kernel may be without it.
type setting struct {
	file, value string
	optional    bool
}

// unlimited is version 1's word for version 2's max.
func unlimited(value string) string {
	if value == "max" {
		return "-1"
	}
	return value
}

func swap(l Limits) string {
	if l.Memory > 0 {
		return "0"
	}
	return "max"
}

func (g *Group) set(controller string, v1, v2 setting) error {
	folder, s := g.v2, v2
	if old := g.v1[controller]; old != "" {
		folder, s = old, v1
	}
	err := write(filepath.Join(folder, s.file), s.value)
	if s.optional && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Start starts a command in the group. It sets what cmd.SysProcAttr has of groups, which must not be nil.
func (g *Group) Start(cmd *exec.Cmd) error {
	if g.v2 != "" {
		folder, err := os.Open(g.v2)
		if err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
		defer func() { _ = folder.Close() }() // the child is in
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(folder.Fd())
	}
	if len(g.v1) == 0 {
		return cmd.Start() //nolint:wrapcheck // it stands for it
	}
	started := make(chan error, 1)
	go g.startOld(cmd, started) // ends at once
	return <-started
}

// startOld starts a command in groups of version 1. What a thread forks is where the thread is, so that it takes one of its own, which
// ends with the goroutine that is locked to it, and leaves the group with that.
func (g *Group) startOld(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == os.Getpid() { // the first thread never ends; while we hold it, another goroutine gets another one
		other := make(chan error, 1)
		go g.startOld(cmd, other)
		started <- <-other
		runtime.UnlockOSThread()
		return
	}
	thread := strconv.Itoa(syscall.Gettid())
	for _, folder := range g.v1 {
		if err := write(filepath.Join(folder, "tasks"), thread); err != nil {
			started <- fmt.Errorf("cgroup: %w", err)
			return
		}
	}
	started <- cmd.Start()
}

// OOMKills is how many processes of the group the kernel has killed since it had too little memory.
func (g *Group) OOMKills() int {
	path := filepath.Join(g.v2, "memory.events")
	if old := g.v1["memory"]; old != "" {
		path = filepath.Join(old, "memory.oom_control")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(content) {
		if number, found := bytes.CutPrefix(line, []byte("oom_kill ")); found {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(number)))
			return n
		}
	}
	return 0
}

// Members are the processes in the group, without ourselves: a thread of ours is a member while it starts one.
func (g *Group) Members() (pids []int, err error) {
	for _, folder := range g.Folders() {
		content, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENODEV) { // it is removed
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cgroup: %w", err)
		}
		for field := range strings.FieldsSeq(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 && pid != os.Getpid() && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// removeTime bounds how long a group may take to be empty once its processes have ended: a zombie is a member until it has been waited for.
const removeTime = 3 * time.Second

// Remove removes the group, whose processes have ended. It waits for [removeTime] at most, and no longer than ctx.
func (g *Group) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := g.remove()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// remove removes the group if it is empty.
func (g *Group) remove() error {
	var errs []error
	for _, folder := range g.Folders() {
		if err := syscall.Rmdir(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cgroup: remove %s: %w", folder, err))
		}
	}
	return errors.Join(errs...)
}
