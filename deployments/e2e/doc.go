// Package e2e holds the end-to-end tests: the real binary, real X servers and sound, and a real headless Chromium.
//
// They do not run under the race detector and need what `task setup:test` installs. Package stack starts and ends the
// processes; it is shared with the benchmarks.
package e2e
