package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamstack/events"
	"streamstack/projections/columns"
)

// SeqAt is a sequence before which everything was stored before a time: where to begin reading what came since.
func (a *Archive) SeqAt(ctx context.Context, t time.Time) (events.Seq, error) {
	segments, err := a.Segments(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range segments {
		if !s.Last.Before(t) {
			return s.From, nil
		}
	}
	seq, err := a.log.FirstAt(ctx, events.SessionsStream, t)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	return seq, nil
}

// Oldest is where what the archive and the stream have together begins: the state as of an earlier moment is known to
// nobody any more. seq is 1, and at zero, while nothing that lasts has ever been dropped.
func (a *Archive) Oldest(ctx context.Context) (seq events.Seq, at time.Time, err error) {
	b, err := a.log.Bounds(ctx, events.SessionsStream)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("archive: %w", err)
	}
	if b.First <= 1 {
		return 1, time.Time{}, nil
	}
	segments, err := a.Segments(ctx)
	switch {
	case err != nil:
		return 0, time.Time{}, err
	case len(segments) == 0 || segments[0].From > b.First:
		return b.First, b.FirstTime, nil
	case segments[0].From == 1:
		return 1, time.Time{}, nil
	default:
		return segments[0].From, segments[0].First, nil
	}
}

// errLater ends the search for a moment in a segment.
var errLater = errors.New("archive: stored later")

// SeqBy is the last sequence that was stored at t or before, as [events.Log.SeqAt], of what has expired in the stream as
// well. Between lasting events it may be earlier by some that do not last.
func (a *Archive) SeqBy(ctx context.Context, t time.Time) (events.Seq, error) {
	seq, err := a.log.SeqAt(ctx, events.SessionsStream, t)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	// Asked afterwards: what the stream has now it had before.
	b, err := a.log.Bounds(ctx, events.SessionsStream)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	if b.First <= 1 || (b.First <= b.Last && !t.Before(b.FirstTime)) {
		return seq, nil
	}
	segments, err := a.Segments(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range segments {
		switch {
		case !s.Last.After(t):
			continue
		case s.First.After(t):
			return s.From - 1, nil
		}
		seq = s.From - 1
		err := a.read(ctx, s, columns.Query{}, func(e events.Event) error {
			if e.Stored.After(t) {
				return errLater
			}
			seq = e.Sequence
			return nil
		})
		if err != nil && !errors.Is(err, errLater) {
			return 0, err
		}
		return seq, nil
	}
	return seq, nil
}
