package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// identity names a process for good: a pid is used again, but not with the same start time.
type identity struct {
	PID int `json:"pid"`
	// Start is field 22 of /proc/PID/stat: clock ticks since boot.
	Start uint64 `json:"start"`
}

// processInfo is what /proc/PID/stat tells (proc(5)).
type processInfo struct {
	identity
	parent, session int
	zombie          bool
}

// readProcess reads one process; false when there is none (any more).
func readProcess(pid int) (processInfo, bool) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return processInfo{}, false
	}
	return parseStat(pid, string(content))
}

// parseStat reads a line of /proc/PID/stat. The name in parentheses may hold anything, also ") ", so fields are
// counted from the last one.
func parseStat(pid int, line string) (processInfo, bool) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return processInfo{}, false
	}
	const state, parent, session, start = 0, 1, 3, 19 // fields 3, 4, 6 and 22 of proc(5)
	fields := strings.Fields(line[end+1:])
	if len(fields) <= start {
		return processInfo{}, false
	}
	p := processInfo{identity: identity{PID: pid}, zombie: fields[state] == "Z" || fields[state] == "X"}
	var errs [3]error
	p.parent, errs[0] = strconv.Atoi(fields[parent])
	p.session, errs[1] = strconv.Atoi(fields[session])
	p.Start, errs[2] = strconv.ParseUint(fields[start], 10, 64)
	return p, errs == [3]error{}
}

// processes lists all processes but zombies.
func processes() ([]processInfo, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	var all []processInfo
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok && !p.zombie {
			all = append(all, p)
		}
	}
	return all, nil
}

// alive tells whether the very process runs.
func (id identity) alive() bool {
	p, ok := readProcess(id.PID)
	return ok && !p.zombie && p.identity == id
}

// signal sends to the very process and to no other that got its pid: os.FindProcess holds a pidfd, and the start time
// is looked at once it does.
func (id identity) signal(s syscall.Signal) {
	p, err := os.FindProcess(id.PID)
	if err != nil {
		return
	}
	defer func() { _ = p.Release() }()
	if id.alive() {
		_ = p.Signal(s) // gone or not ours: nothing to do
	}
}

// markerVariable is in the environment of every process of an instance.
const markerVariable = "STREAMSTACK_INSTANCE"

// readMarker reads the marker from a process's environment as it was at its start; empty when there is none.
func readMarker(pid int) string {
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if value, found := bytes.CutPrefix(variable, []byte(markerVariable+"=")); found {
			return string(value)
		}
	}
	return ""
}

// belonging lists the processes of an instance: in the sessions of, or descended from, its parts, or with a marker
// that is accepted. We ourselves are never among them.
func belonging(parts []identity, accept func(marker string) bool) ([]processInfo, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	leads := make(map[int]uint64, len(parts))
	for _, part := range parts {
		leads[part.PID] = part.Start
	}
	ours := make(map[int]bool)
	self := os.Getpid()
	for _, p := range all {
		start, isLead := leads[p.PID]
		leadStart, inSession := leads[p.session]
		switch {
		case p.PID == self:
		case isLead && start == p.Start,
			!isLead && inSession && p.Start >= leadStart,
			accept(readMarker(p.PID)):
			ours[p.PID] = true
		}
	}
	for grown := true; grown; { // descendants, also those whose own parent comes later in the list
		grown = false
		for _, p := range all {
			if p.PID != self && !ours[p.PID] && ours[p.parent] {
				ours[p.PID], grown = true, true
			}
		}
	}
	var found []processInfo
	for _, p := range all {
		if ours[p.PID] {
			found = append(found, p)
		}
	}
	return found, nil
}

// killTimeout is how long killed processes may take to be gone; one in an uninterruptible wait takes longer.
const killTimeout = 3 * time.Second

// killAll sends SIGKILL until no process of the kind is left; one that forks while it is hunted is found in the next round.
func killAll(ctx context.Context, find func() ([]processInfo, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, killTimeout, fmt.Errorf("%s have passed since SIGKILL", killTimeout))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := find()
		if err != nil || len(found) == 0 {
			return err
		}
		for _, p := range found {
			p.signal(syscall.SIGKILL)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process: %d processes, such as %d, have not ended: %w", len(found), found[0].PID, context.Cause(ctx))
		}
	}
}
