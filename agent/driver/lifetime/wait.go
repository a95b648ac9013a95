package lifetime

import (
	"context"
	"fmt"
	"sync"

	"streamstack/agent/driver"
)

// Wait is the time of an instance before its session: until [Wait.Claim] takes it, or it ends. It has one owner, [Wait.Own], and after
// it, where there is one, whoever claimed it. Its methods may be called concurrently.
type Wait struct {
	life  *Life
	once  sync.Once
	taken chan struct{} // closed by Claim
	over  chan struct{} // closed when the owner has let go
	gone  chan struct{} // closed when it ended without having been claimed
	err   error         // why; set before
}

// NewWait begins the wait of an instance; [Wait.Own] must follow unless its start fails.
func NewWait(l *Life) *Wait {
	return &Wait{life: l, taken: make(chan struct{}), over: make(chan struct{}), gone: make(chan struct{})}
}

// Taken is closed when somebody claims the instance; its owner then lets go.
func (w *Wait) Taken() <-chan struct{} { return w.taken }

// Own runs the owner: it returns false as soon as the instance is taken, and true when nothing of it is left, with the reason unless it
// was stopped.
func (w *Wait) Own(owner func() (gone bool, why error)) {
	defer close(w.over)
	if gone, why := owner(); gone {
		w.err = why
		close(w.gone)
	}
}

// Claim takes the instance, for the first one who asks. After an error, which wraps [driver.ErrCold], it is not to be had.
func (w *Wait) Claim() error {
	first := false
	w.once.Do(func() { first = true; close(w.taken) })
	<-w.over // at once: the owner has nothing else to do
	select {
	case <-w.gone:
		return fmt.Errorf("it has ended: %w", driver.ErrCold)
	default:
	}
	if !first {
		return fmt.Errorf("somebody else has it: %w", driver.ErrCold)
	}
	return nil
}

// Done is closed when it has ended without having been claimed.
func (w *Wait) Done() <-chan struct{} { return w.gone }

// Err is why; nil until then, and when it was stopped.
func (w *Wait) Err() error {
	select {
	case <-w.gone:
		return w.err
	default:
		return nil
	}
}

// End asks for the end, unless the instance has been claimed, and waits for it or until ctx is done.
func (w *Wait) End(ctx context.Context) error {
	select {
	case <-w.taken:
		return nil
	default:
	}
	w.life.RequestStop()
	return ended(ctx, w.over)
}
