// Package replay lets a recorded session happen again: to standard output, or into a sandbox stream, at its own pace or
// faster.
//
// The pace is that of the times at which the stream stored the events: they are of one clock and never go back, which
// the publishers' do not promise. Each event is due at the start plus its distance from the first, so that lateness never
// adds up. A timer of the Go runtime keeps that within about a millisecond where a processor is free (the promise is 5 ms).
// Spinning for the last milliseconds was tried and left out: where none is free, both are late by what the kernel gives
// to others (10 to 40 ms with six busy threads a processor), and where one is, there is nothing to gain.
package replay
