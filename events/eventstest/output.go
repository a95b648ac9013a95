package eventstest

import (
	"bytes"
	"sync"
)

// Output is what is logged or printed, for tests that look at it while it is still written. Its zero value is empty and
// ready. Its methods may be called at the same time.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends; it never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
