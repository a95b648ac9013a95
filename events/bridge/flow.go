package bridge

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// signal wakes one waiter; a wake that nobody waits for is kept, once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

func (s signal) wait(ctx context.Context) error {
	select {
	case <-s:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bridge: %w", ctx.Err())
	}
}

// outgoing counts what was sent, and how much of it the other side has passed on.
type outgoing struct {
	mu           sync.Mutex
	sent, passed uint64
	changed      signal
}

// wait returns how many bytes may be sent now, at least one and at most a chunk.
func (o *outgoing) wait(ctx context.Context) (int, error) {
	for {
		o.mu.Lock()
		room := window - int(o.sent-o.passed)
		o.mu.Unlock()
		if room > 0 {
			return min(room, maxChunk), nil
		}
		if err := o.changed.wait(ctx); err != nil {
			return 0, err
		}
	}
}

// take counts n bytes as sent and returns the offset of the first.
func (o *outgoing) take(n int) (offset uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	offset = o.sent
	o.sent += uint64(n)
	return offset
}

// credit takes the other side's word on how much it has passed on: more than was sent, or less than before, is no truth.
func (o *outgoing) credit(passed uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if passed < o.passed || passed > o.sent {
		return fmt.Errorf("%w: %d bytes were said to be passed on of %d", ErrLost, passed, o.sent)
	}
	o.passed = passed
	o.changed.wake()
	return nil
}

func (o *outgoing) total() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
}

// incoming holds what came and was not passed on yet: a window at most.
type incoming struct {
	mu           sync.Mutex
	came, passed uint64
	waiting      []byte
	over         error // what follows the last byte: [io.EOF], or why it ended
	changed      signal
}

// add takes the next bytes.
func (i *incoming) add(f frame) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := uint64(len(f.data))
	switch {
	case i.over != nil:
		return fmt.Errorf("%w: more came after the end", ErrLost)
	case f.number != i.came:
		return fmt.Errorf("%w: byte %d came where %d was next", ErrLost, f.number, i.came)
	case i.came+n-i.passed > window:
		return fmt.Errorf("%w: more than %d came that were not passed on", ErrLost, window)
	}
	i.came += n
	i.waiting = append(i.waiting, f.data...)
	i.changed.wake()
	return nil
}

// finish takes the end of the other side's bytes, of which there were so many.
func (i *incoming) finish(total uint64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over == nil && total != i.came {
		return fmt.Errorf("%w: the end came at byte %d of %d", ErrLost, i.came, total)
	}
	if i.over == nil {
		i.over = io.EOF
	}
	i.changed.wake()
	return nil
}

// fail has the waiter get why after what waits; an end in order is none any more.
func (i *incoming) fail(why error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = why
	i.changed.wake()
}

// wait returns what came, a chunk at most, or what ended it once all before was returned.
func (i *incoming) wait(ctx context.Context) ([]byte, error) {
	for {
		i.mu.Lock()
		n, over := min(len(i.waiting), maxChunk), i.over
		chunk := i.waiting[:n:n]
		if i.waiting = i.waiting[n:]; len(i.waiting) == 0 {
			i.waiting = nil // the chunk has the rest of the array
		}
		i.mu.Unlock()
		if n > 0 {
			return chunk, nil
		}
		if over != nil {
			return nil, over
		}
		if err := i.changed.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// pass counts n bytes as passed on and returns how many there were so far.
func (i *incoming) pass(n int) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.passed += uint64(n)
	return i.passed
}

func (i *incoming) total() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.passed
}

// heard is when the other side was heard last.
type heard struct{ at atomic.Int64 }

func (h *heard) now()               { h.at.Store(time.Now().UnixNano()) }
func (h *heard) ago() time.Duration { return time.Since(time.Unix(0, h.at.Load())) }
