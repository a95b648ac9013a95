// Package cgroup bounds what a tree of processes uses: memory, processor time, number of processes (cgroups(7)).
//
// Groups are made below the one that we are in ourselves, so that whatever bounds us bounds them too, and so that nothing is needed
// but that our own group is writable: as root, or where systemd has delegated it (Delegate=yes). Version 2, version 1 and hosts
// that have some controllers in the one and some in the other are alike to callers.
//
// In version 2 a group that has members cannot hand controllers to groups below it (cgroups(7), "no internal processes"). If we are the
// only member of ours, we move into a leaf of it; otherwise limits cannot be had, and the error says what to do.
//
// A process is started inside its group: in version 2 by clone3(2), in version 1 by a thread that moves there first. Moving it after its
// start would miss what it forks meanwhile.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// controllers are those that limits need.
var controllers = []string{"memory", "cpu", "pids"}

// ErrUnavailable tells that limits cannot be had on this host; the error says why and what to do.
var ErrUnavailable = errors.New("limits of memory, processors and processes cannot be enforced here")

// Host is where this process may make groups. It is read-only once made.
type Host struct {
	// v1 are the folders of version 1 by controller; v2 is that of version 2, or empty where it has none of the controllers.
	v1 map[string]string
	v2 string
}

// Open finds where groups can be made, and tries it. The error wraps [ErrUnavailable].
func Open() (*Host, error) {
	h, err := find("/proc/self/cgroup", "/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w: %w", ErrUnavailable, err)
	}
	if h.v2 != "" {
		if err := h.delegate(); err != nil {
			return nil, fmt.Errorf("cgroup: %w: %w", ErrUnavailable, err)
		}
	}
	probe := h.Group("streamstack-probe-" + strconv.Itoa(os.Getpid()))
	if err := errors.Join(probe.make(), probe.remove()); err != nil {
		return nil, fmt.Errorf("cgroup: %w: %w; run the agent as root, or as a systemd service with Delegate=yes", ErrUnavailable, err)
	}
	return h, nil
}

// String tells what is used.
func (h *Host) String() string {
	switch {
	case h.v2 == "":
		return "cgroup version 1"
	case len(h.v1) == 0:
		return "cgroup version 2"
	default:
		return "cgroup versions 1 and 2"
	}
}

// find reads which groups we are in (proc_pid_cgroup(5)), and where their hierarchies are mounted (proc_pid_mountinfo(5)).
func find(cgroupFile, mountFile string) (*Host, error) {
	own, err := os.ReadFile(cgroupFile)
	if err != nil {
		return nil, fmt.Errorf("this kernel has no control groups: %w", err)
	}
	mounts, err := os.ReadFile(mountFile)
	if err != nil {
		return nil, fmt.Errorf("mounts: %w", err)
	}
	h := &Host{v1: map[string]string{}}
	var unified string
	for line := range bytes.Lines(own) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "" { // version 2
			unified = mounted(mounts, "cgroup2", "", fields[2])
			continue
		}
		for _, c := range strings.Split(fields[1], ",") {
			if slices.Contains(controllers, c) {
				if folder := mounted(mounts, "cgroup", c, fields[2]); folder != "" {
					h.v1[c] = folder
				}
			}
		}
	}
	if len(h.v1) == len(controllers) {
		return h, nil
	}
	if unified == "" {
		return nil, errors.New("no control groups are mounted (/sys/fs/cgroup)")
	}
	h.v2 = unified
	return h, nil
}

// mounted is the folder of a group: where its hierarchy is mounted, and the group's path below the mount's root. It is empty where it is
// not mounted, or not visible.
func mounted(mounts []byte, kind, controller, group string) string {
	scan := bufio.NewScanner(bytes.NewReader(mounts))
	for scan.Scan() {
		before, after, found := strings.Cut(scan.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 || right[0] != kind {
			continue
		}
		if controller != "" && !slices.Contains(strings.Split(right[2], ","), controller) {
			continue
		}
		root, point := left[3], left[4]
		below, err := filepath.Rel(root, group)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			continue
		}
		return filepath.Join(point, below)
	}
	return ""
}

// delegate has version 2's controllers that are needed handed to the groups below ours.
func (h *Host) delegate() error {
	var missing []string
	there, err := os.ReadFile(filepath.Join(h.v2, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("control groups: %w", err)
	}
	handed, err := os.ReadFile(filepath.Join(h.v2, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("control groups: %w", err)
	}
	for _, c := range controllers {
		if _, old := h.v1[c]; old || slices.Contains(strings.Fields(string(handed)), c) {
			continue
		}
		if !slices.Contains(strings.Fields(string(there)), c) {
			return fmt.Errorf("the controller %s is not handed to %s: run the agent as a systemd service with Delegate=yes", c, h.v2)
		}
		missing = append(missing, "+"+c)
	}
	if len(missing) == 0 {
		return nil
	}
	hand := func() error {
		return write(filepath.Join(h.v2, "cgroup.subtree_control"), strings.Join(missing, " "))
	}
	err = hand()
	if errors.Is(err, syscall.EBUSY) {
		if err := h.leave(); err != nil {
			return err
		}
		err = hand()
	}
	if err != nil {
		return fmt.Errorf("%w: run the agent as root, or as a systemd service with Delegate=yes", err)
	}
	return nil
}

// leave moves us into a leaf of our group, which has no other member.
func (h *Host) leave() error {
	members, err := os.ReadFile(filepath.Join(h.v2, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("control groups: %w", err)
	}
	if strings.TrimSpace(string(members)) != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("the control group %s has other members: give the agent one of its own, with systemd-run --scope -p Delegate=yes or as a service", h.v2)
	}
	leaf := filepath.Join(h.v2, "agent")
	if err := os.Mkdir(leaf, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("control groups: %w", err)
	}
	return write(filepath.Join(leaf, "cgroup.procs"), strconv.Itoa(os.Getpid()))
}

// write writes a control file, whose content the kernel takes as a whole.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	return nil
}
