package projections

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"streamstack/events"
	"streamstack/projections/snapshot"
)

// Folder is a read model: it takes events in order and ignores those it has seen.
type Folder interface {
	Fold(events.Event)
}

// Runner keeps one read model up to date and guards it. The state is changed by the goroutine that feeds the runner and
// read by any.
type Runner[S Folder] struct {
	name string

	mu    sync.RWMutex
	state S
	at    events.Seq
	// anchor is the last event folded that does not expire early.
	anchor  snapshot.Anchor
	waiters []waiter

	caught sync.Once
	ready  chan struct{}
}

type waiter struct {
	seq  events.Seq
	done chan struct{}
}

// NewRunner makes a runner of an empty state; name is for errors.
func NewRunner[S Folder](name string, empty S) *Runner[S] {
	return &Runner[S]{name: name, state: empty, ready: make(chan struct{})}
}

// Apply folds an event and wakes those who waited for it.
func (r *Runner[S]) Apply(e events.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Fold(e)
	r.at = max(r.at, e.Sequence)
	if e.Sequence > r.anchor.Seq && lasting(e) {
		r.anchor = snapshot.Anchor{Seq: e.Sequence, ID: e.ID}
	}
	keep := r.waiters[:0]
	for _, w := range r.waiters {
		if w.seq <= r.at {
			close(w.done)
			continue
		}
		keep = append(keep, w)
	}
	r.waiters = keep
}

// lasting tells whether an event surely stays for its stream's retention.
func lasting(e events.Event) bool {
	return e.Quarantine == "" && (e.Session == "" || events.Known(e.Name) && !events.ShortLived(e.Name))
}

// Caught tells that the runner has seen all there was when it began. Later calls do nothing.
func (r *Runner[S]) Caught() { r.caught.Do(func() { close(r.ready) }) }

// Ready is closed once the runner has caught up for the first time.
func (r *Runner[S]) Ready() <-chan struct{} { return r.ready }

// Read lets fn look at the state. fn must not keep or change it, nor call the runner.
func (r *Runner[S]) Read(fn func(S)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	fn(r.state)
}

// At is the sequence folded last.
func (r *Runner[S]) At() events.Seq {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at
}

// Wait returns when the sequence seq has been folded, so that a writer can read what it wrote.
func (r *Runner[S]) Wait(ctx context.Context, seq events.Seq) error {
	r.mu.Lock()
	if r.at >= seq {
		r.mu.Unlock()
		return nil
	}
	w := waiter{seq, make(chan struct{})}
	r.waiters = append(r.waiters, w)
	r.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		r.forget(w)
		return fmt.Errorf("projections: %s has not reached sequence %d: %w", r.name, seq, ctx.Err())
	}
}

func (r *Runner[S]) forget(gone waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, w := range r.waiters {
		if w.done == gone.done {
			r.waiters = append(r.waiters[:i], r.waiters[i+1:]...)
			return
		}
	}
}

// dump takes a snapshot of the state; events wait meanwhile.
func (r *Runner[S]) dump(k snapshot.Kind, write func(S) []byte) snapshot.Snapshot {
	r.mu.RLock()
	defer r.mu.RUnlock()
	a := r.anchor
	a.ID = strings.Clone(a.ID)
	return snapshot.Snapshot{Kind: k, At: r.at, Anchor: a, Taken: time.Now().UTC(), State: write(r.state)}
}

// restore puts a snapshot's state in the place of the runner's.
func (r *Runner[S]) restore(snap snapshot.Snapshot, read func(S, []byte) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := read(r.state, snap.State); err != nil {
		return err
	}
	r.at, r.anchor = snap.At, snap.Anchor
	return nil
}

// Follow feeds the runner from a stream other than SESSIONS until the context ends, from after what it has folded on.
// SESSIONS has one tail per process, which its owner feeds to the runner with [Runner.Apply].
func (r *Runner[S]) Follow(ctx context.Context, log *events.Log, stream string) error {
	return log.Follow(ctx, stream, nil, events.Start{Seq: r.At() + 1}, func(e events.Event) error {
		r.Apply(e)
		return nil
	}, r.Caught)
}

// Fold makes [Agents] a [Folder].
func (m *Agents) Fold(e events.Event) { m.Apply(e) }

// Fold makes [Accounts] a [Folder].
func (m *Accounts) Fold(e events.Event) { m.Apply(e) }
