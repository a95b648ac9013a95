package events

import (
	"context"
	"fmt"
)

// ReadThrough hands on what a filter holds of a stream from the sequence from on, in order, and leaves nothing out up to
// the sequence upTo, which the caller knows to be stored. [Log.Read] promises less: any replica may answer it, and one
// that lags does not have the newest events yet. What the replica leaves out is asked of the stream's leader, one event
// at a time. Events beyond upTo may be handed on as well.
//
// It is what makes a seam: a reader that has subscribed to a [Log.Tail] reads through the sequence at which the tail was.
func (l *Log) ReadThrough(ctx context.Context, stream, filter string, from, upTo Seq, fn func(Event) error) error {
	next := max(from, 1)
	hand := func(e Event) error {
		if err := fn(e); err != nil {
			return err
		}
		next = e.Sequence + 1
		return nil
	}
	if err := l.batches(ctx, stream, filter, next, hand); err != nil {
		return err
	}
	for next <= upTo {
		e, found, err := l.stored(ctx, stream, directRequest{Seq: next, NextFor: filter})
		if err != nil {
			return err
		}
		if !found || e.Sequence > upTo {
			return nil
		}
		if e.Sequence < next {
			return fmt.Errorf("events: read %s: asked from %d on, got %d", stream, next, e.Sequence)
		}
		if err := hand(e); err != nil {
			return err
		}
	}
	return nil
}
