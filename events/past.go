package events

import (
	"context"
	"fmt"
	"time"
)

// Bounds are the ends of a stream. An empty stream has First = Last + 1, and no times of use.
type Bounds struct {
	First, Last         Seq
	FirstTime, LastTime time.Time // when they were stored
}

// Bounds asks the stream's leader for its ends as they are now.
func (l *Log) Bounds(ctx context.Context, stream string) (Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	named := l.Refusals()
	s, err := l.js.Stream(ctx, stream)
	if err != nil {
		return Bounds{}, named(readError(stream, err))
	}
	st := s.CachedInfo().State
	b := Bounds{First: Seq(st.FirstSeq), Last: Seq(st.LastSeq), FirstTime: st.FirstTime.UTC(), LastTime: st.LastTime.UTC()}
	if b.First == 0 { // a stream that never had a message
		b.First = 1
	}
	return b, nil
}

// EventAt reads the event with this very sequence from the stream's leader; found is false when it has expired, or is not
// there yet.
func (l *Log) EventAt(ctx context.Context, stream string, seq Seq) (e Event, found bool, err error) {
	if seq == 0 {
		return Event{}, false, nil
	}
	e, found, err = l.stored(ctx, stream, directRequest{Seq: seq})
	return e, found && e.Sequence == seq, err
}

// SeqAt is the last sequence that was stored at t or before: what the stream had come to by then. It may be of an event that
// has expired since, and is the stream's last for a time to come. A time before the first event kept gives the sequence
// before that one's.
func (l *Log) SeqAt(ctx context.Context, stream string, t time.Time) (Seq, error) {
	b, err := l.Bounds(ctx, stream)
	if err != nil {
		return 0, err
	}
	if b.First > b.Last || !t.Before(b.LastTime) {
		return b.Last, nil
	}
	after := t.UTC().Add(1)
	e, found, err := l.stored(ctx, stream, directRequest{From: &after})
	if err != nil {
		return 0, fmt.Errorf("events: the sequence at %s: %w", t.Format(time.RFC3339), err)
	}
	if !found {
		return b.Last, nil
	}
	return e.Sequence - 1, nil
}
