package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamstack/events"
)

// followRetry is the pause before a follower asks again what has expired, when NATS did not answer.
const followRetry = 250 * time.Millisecond

// Follow hands on what a filter holds from a start on, in order, each event once, without end: from the archive what has
// expired in the stream, then what the stream has, then what comes, as [events.Log.Follow] does. What expires while
// nobody could read it, for the connection was away or fn took long, comes from the archive too. caught, if not nil, is
// called whenever all there was has been handed on.
//
// Who may not read the archive, as analysts may not, is served from the stream alone; a start before the stream's first
// event is then an error.
func (a *Archive) Follow(ctx context.Context, filter string, from events.Start, fn func(events.Event) error, caught func()) error {
	if caught == nil {
		caught = func() {}
	}
	from, next, err := a.begin(ctx, from)
	if err != nil {
		return err
	}
	if _, err := a.Segments(ctx); err != nil {
		b, berr := a.log.Bounds(ctx, events.SessionsStream)
		switch {
		case berr != nil:
			return fmt.Errorf("archive: %w", berr)
		case next < b.First && b.First > 1:
			return fmt.Errorf("what came before %d has expired in the stream, and the archive cannot be read (begin later, or with an operator's credentials): %w", b.First, err)
		}
		return a.log.Follow(ctx, events.SessionsStream, []string{filter}, from, fn, caught) //nolint:wrapcheck // it names the stream
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f := &follower{stop: stop, reader: a.reader(filter, next, func(e events.Event) error {
		if e.Stored.Before(from.Time) {
			return nil
		}
		return fn(e)
	})}
	f.reader.since = from.Time
	if err := f.settle(ctx); err != nil {
		return err
	}
	if from.Time.IsZero() {
		from.Seq = f.reader.next
	}
	err = a.log.Follow(ctx, events.SessionsStream, []string{filter}, from, func(e events.Event) error { return f.take(ctx, e) }, func() {
		if f.caught(ctx) {
			caught()
		}
	})
	if f.reader.failed != nil {
		return f.reader.failed
	}
	if f.broken != nil {
		return f.broken
	}
	return err //nolint:wrapcheck // it names the stream
}

// begin finds the sequence to read from. A time that the stream still has stays one: the consumer finds it.
func (a *Archive) begin(ctx context.Context, from events.Start) (_ events.Start, next events.Seq, err error) {
	b, err := a.log.Bounds(ctx, events.SessionsStream)
	switch {
	case err != nil:
		return from, 0, fmt.Errorf("archive: %w", err)
	case from.Seq > 0:
		return events.Start{Seq: from.Seq}, from.Seq, nil
	case !from.Time.IsZero() && (b.First <= 1 || b.First <= b.Last && !from.Time.Before(b.FirstTime)):
		return from, b.First, nil
	case !from.Time.IsZero():
		next, err = a.SeqAt(ctx, from.Time)
		return from, next, err
	case from.New:
		return events.Start{Seq: b.Last + 1}, b.Last + 1, nil
	default:
		return events.Start{Seq: 1}, 1, nil
	}
}

// follower is the state of one [Archive.Follow].
type follower struct {
	reader *reader
	stop   context.CancelFunc
	broken error // why nothing more can be handed on
	// drained is when nothing more was waiting in the stream.
	drained time.Time
}

// take takes an event of the stream.
func (f *follower) take(ctx context.Context, e events.Event) error {
	if f.broken != nil {
		return f.broken
	}
	r := f.reader
	r.held = append(r.held, e)
	r.bytes += len(e.Data)
	if len(r.held) < heldEvents && r.bytes < heldBytes {
		return nil
	}
	return f.settle(ctx)
}

// caught hands on what is held; false when that failed.
func (f *follower) caught(ctx context.Context) bool {
	if err := f.settle(ctx); err != nil {
		f.broken = err
		f.stop()
		return false
	}
	f.drained = time.Now()
	return true
}

// settle hands on what is held and what expired before it could be read. What came after a moment when nothing was
// waiting cannot have expired within half of its life, so that a follower which keeps up asks nothing. While NATS does not
// answer it waits: nothing more comes either.
func (f *follower) settle(ctx context.Context) error {
	r := f.reader
	if !f.drained.IsZero() && (r.age == 0 || time.Since(f.drained) < r.age/2) {
		return r.release()
	}
	for {
		err := r.settle(ctx)
		switch {
		case err == nil || r.failed != nil:
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("archive: follow: %w", ctx.Err())
		case !errors.Is(err, events.ErrUnavailable) || r.archive.log.Conn().IsClosed():
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(followRetry):
		}
	}
}
