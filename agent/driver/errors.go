package driver

import (
	"errors"
	"fmt"
)

// Errors that a caller can act on.
var (
	// ErrClosed: the driver has been closed and launches no more.
	ErrClosed = errors.New("the driver is closed")
	// ErrExists: the session has an instance already.
	ErrExists = errors.New("the session already has an instance")
)

// Kinds of failed launches that another agent, or the same one later, may be spared. A launch that failed otherwise is one
// too, but for [ErrRefused].
var (
	// ErrFull: the host, or the cluster behind the driver, has no room: no slot, memory, disk or process to be had.
	ErrFull = errors.New("the host is full")
	// ErrMissing: what the application needs is not here: its program, its image, a server to display it.
	ErrMissing = errors.New("the application cannot be run here")
	// ErrAway: what runs the instances does not answer.
	ErrAway = errors.New("the engine does not answer")
	// ErrRefused: the session asks for what no agent can launch. It is not tried again.
	ErrRefused = errors.New("no agent could launch this")
)

// Because makes an error of a kind whose text is the sentence alone: the kind is for programs, the sentence for people.
// Errors among args count for errors.Is where the format has %w for them.
func Because(kind error, format string, args ...any) error {
	return because{fmt.Errorf(format, args...), kind}
}

type because struct {
	error
	kind error
}

func (b because) Unwrap() []error { return []error{b.error, b.kind} }
