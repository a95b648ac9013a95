package amstest

import "context"

// Machine is what boots the instances.
type Machine interface {
	// Boot starts an instance's machine and returns when it is up; its error is the instance's. ctx ends with the server,
	// and bounds the start only.
	Boot(ctx context.Context, boot Boot) (Running, error)
}

// Boot is what a machine is told: what AMS would put into it.
type Boot struct {
	Instance    string
	Application Application
	Version     int
	Platform    string
	Display     Display
	UserData    []byte // the content of /var/lib/anbox/userdata
}

// Running is a machine that is up. [streamstack/agent/driver.Instance] is one.
type Running interface {
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Stop ends it, and returns when it has ended or ctx has.
	Stop(ctx context.Context) error
}

// Idle is a machine that is up at once and does nothing.
type Idle struct{}

// Boot never fails.
func (Idle) Boot(context.Context, Boot) (Running, error) { return idle{make(chan struct{})}, nil }

type idle struct{ never chan struct{} }

func (i idle) Done() <-chan struct{}      { return i.never }
func (i idle) Stop(context.Context) error { return nil }

// Func is a machine made of a function.
type Func func(context.Context, Boot) (Running, error)

// Boot calls f.
func (f Func) Boot(ctx context.Context, boot Boot) (Running, error) { return f(ctx, boot) }
