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
	var memory int64
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		memory = int64(uint64(info.Totalram) * uint64(info.Unit)) //nolint:unconvert // Totalram is narrower on some machines
	}
	return slotsOf(runtime.NumCPU(), memory)
}

// slotsOf is how many sessions a machine can take at once that has so many cores and bytes of memory, 0 for unknown.
func slotsOf(cores int, memory int64) int {
	n := cores * slotsPerCore
	if memory > 0 {
		n = min(n, int(memory/slotMemory))
	}
	return max(n, leastSlots)
}
