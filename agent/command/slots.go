package command

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// A slot needs about half a core (30 frames a second of 720p by software, measured in media-notes.md, section 11) and
// less than 1 GiB for an application of middling size; four is what a person tries out on any machine.
const (
	slotsPerCore = 2
	slotMemory   = 1 << 30
	leastSlots   = 4
)

// defaultSlots is how many sessions this machine can take at once.
func defaultSlots() int {
	n := runtime.NumCPU() * slotsPerCore
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		n = min(n, int(uint64(info.Totalram)*uint64(info.Unit)/slotMemory)) //nolint:unconvert // Totalram is narrower on some machines
	}
	return max(n, leastSlots)
}
