package lifetime

import (
	"context"
	"fmt"
	"sync"

	"streamstack/agent/driver"
)

// Life is one instance's, from its admission to its end. Its methods may be called concurrently.
type Life struct {
	once     sync.Once
	stopping chan struct{} // closed by the first request to stop
	done     chan struct{}
	ending   driver.Ending // set before done is closed
}

// New begins a life.
func New() *Life { return &Life{stopping: make(chan struct{}), done: make(chan struct{})} }

// Done is closed by [Life.Finish].
func (l *Life) Done() <-chan struct{} { return l.done }

// Ending tells how it ended: the zero value until it has.
func (l *Life) Ending() driver.Ending {
	select {
	case <-l.done:
		return l.ending
	default:
		return driver.Ending{}
	}
}

// RequestStop asks for the end, and does not wait.
func (l *Life) RequestStop() { l.once.Do(func() { close(l.stopping) }) }

// Stopping is closed by the first request to stop.
func (l *Life) Stopping() <-chan struct{} { return l.stopping }

// Stopped tells whether the end was asked for.
func (l *Life) Stopped() bool {
	select {
	case <-l.stopping:
		return true
	default:
		return false
	}
}

// Finish lets the end be seen. Whoever owns the instance calls it, once, when nothing of it is left.
func (l *Life) Finish(e driver.Ending) {
	l.ending = e
	close(l.done)
}

// End asks for the end and waits for it, or until ctx is done.
func (l *Life) End(ctx context.Context) error {
	l.RequestStop()
	return ended(ctx, l.done)
}

func ended(ctx context.Context, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("still ending: %w", context.Cause(ctx))
	}
}

// Start does a step of the instance's start. Its context ends, for [driver.ErrClosed], when the end is asked for meanwhile: before there
// is an instance to stop, only its driver's Close does that.
func (l *Life) Start(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		select {
		case <-l.stopping:
			cancel(driver.ErrClosed)
		case <-ctx.Done():
		}
	})
	return step(ctx)
}
