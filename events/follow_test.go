package events_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func follow(l *events.Log, filters []string, from events.Start, c *collector) func(context.Context) error {
	return func(ctx context.Context) error {
		return l.Follow(ctx, events.SessionsStream, filters, from, c.add, nil)
	}
}

func TestFollowFromEachStart(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	for range 3 {
		mustAppend(t, l, created(session))
		mustAppend(t, l, candidate(session))
	}
	third := stored(t, l)[2].Stored
	filters := []string{events.EventFilter("", events.Gateway, events.Created), events.EventFilter(region, events.Gateway, events.Joined)}
	readers := map[string]struct {
		from events.Start
		want []events.Seq
		c    *collector
	}{
		"beginning": {events.Start{}, []events.Seq{1, 3, 5, 7, 8}, newCollector()},
		"sequence":  {events.Start{Seq: 2}, []events.Seq{3, 5, 7, 8}, newCollector()},
		"time":      {events.Start{Time: third}, []events.Seq{3, 5, 7, 8}, newCollector()},
		"new":       {events.Start{New: true}, []events.Seq{7, 8}, newCollector()},
	}
	caught := make(chan struct{}, 100)
	for _, r := range readers {
		spawn(t, func(ctx context.Context) error {
			return l.Follow(ctx, events.SessionsStream, filters, r.from, r.c.add, func() { caught <- struct{}{} })
		})
	}
	for range readers {
		<-caught
	}
	mustAppend(t, l, created(session))
	mustAppend(t, l, events.NewDraft(region, session, events.Gateway, events.Joined, nil))
	for name, r := range readers {
		eventstest.Wait(t, within, func() string {
			if r.c.last() < 8 {
				return name + ": the last event"
			}
			return ""
		})
		if got := r.c.seqs(); !slices.Equal(got, r.want) {
			t.Errorf("%s: %v, not %v", name, got, r.want)
		}
	}
}

// More events than one pull, and a reader slower than the server.
func TestFollowManyPulls(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t)
	const n = 2000
	publishMany(t, l, n)
	c := newCollector()
	spawn(t, follow(l, nil, events.Start{}, c))
	eventstest.Wait(t, within, func() string {
		if c.last() < n {
			return "the last event"
		}
		return ""
	})
	contiguous(t, c.seqs(), 1, n)
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	nc := s.Connect(t)
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	mustAppend(t, l, created(session))
	stop := errors.New("enough")
	fn := func(events.Event) error { return stop }
	if err := l.Follow(t.Context(), events.SessionsStream, nil, events.Start{}, fn, nil); !errors.Is(err, stop) {
		t.Errorf("fn's error: %v", err)
	}
	if err := l.Tail(t.Context(), 0, fn, nil, nil); !errors.Is(err, stop) {
		t.Errorf("tail: fn's error: %v", err)
	}
	if err := l.Follow(t.Context(), "NONE", nil, events.Start{}, fn, nil); err == nil {
		t.Error("a stream that is none was followed")
	}
	keep := func(events.Event) error { return nil }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Follow(ctx, events.SessionsStream, nil, events.Start{}, keep, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	// A connection that is closed never comes back.
	done := make(chan error, 2)
	caught := make(chan struct{}, 2)
	note := func() {
		select {
		case caught <- struct{}{}:
		default:
		}
	}
	go func() { done <- l.Follow(t.Context(), events.SessionsStream, nil, events.Start{}, keep, note) }()
	go func() { done <- l.Tail(t.Context(), 0, keep, nil, note) }()
	<-caught
	<-caught
	nc.Close()
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, events.ErrUnavailable) {
				t.Errorf("closed: %v", err)
			}
		case <-time.After(within):
			t.Fatal("a reader goes on without a connection")
		}
	}
}
