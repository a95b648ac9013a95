package events_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// many drafts, more than are under way at once, each with its number as the application's name.
func many(n int) []events.Draft {
	drafts := make([]events.Draft, n)
	for i := range drafts {
		drafts[i] = events.NewDraft(region, session, events.Gateway, events.Created, events.CreatedData{App: fmt.Sprint(i)})
	}
	return drafts
}

// Not beside other tests, as those below: what waits behind a thousand appends waits no longer than one append may take.
func TestAppendAllKeepsTheOrder(t *testing.T) {
	l := eventstest.Log(t)
	const n = 1700
	seqs, err := l.AppendAll(t.Context(), many(n))
	if err != nil || len(seqs) != n {
		t.Fatalf("%d sequences, %v", len(seqs), err)
	}
	list := stored(t, l)
	if len(list) != n {
		t.Fatalf("%d events are stored", len(list))
	}
	for i, e := range list {
		var c events.CreatedData
		if err := e.Decode(&c); err != nil || !e.Sound() || seqs[i] != e.Sequence || c.App != fmt.Sprint(i) {
			t.Fatalf("event %d, of sequence %d: %+v, %v", i, seqs[i], e, err)
		}
	}
	if seqs, err := l.AppendAll(t.Context(), nil); len(seqs) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", seqs, err)
	}
}

// What may not be appended ends the rest; what came before it is there, and the caller knows where.
func TestAppendAllStopsAtTheFirstFailure(t *testing.T) {
	l := eventstest.Log(t)
	for _, bad := range []int{0, 7, 1100} {
		before := len(stored(t, l))
		drafts := many(1200)
		drafts[bad].Subject = events.Subject{Region: region, Session: session, Actor: events.Client, Name: events.Created}.String()
		seqs, err := l.AppendAll(t.Context(), drafts)
		if err == nil || len(seqs) != bad {
			t.Errorf("%d: %d sequences, %v", bad, len(seqs), err)
		}
		if n := len(stored(t, l)) - before; n != bad {
			t.Errorf("%d: %d were appended", bad, n)
		}
	}
}

// The errors are those of a single append, and no future of a call that failed is in the way of the next.
func TestAppendAllUnavailable(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	nc := s.Connect(t)
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.AppendAll(ctx, many(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := l.AppendAll(t.Context(), []events.Draft{{Subject: "nobody.listens", Data: 1}}); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("a subject of no stream: %v", err)
	}
	before := len(stored(t, l))
	down := nc.StatusChanged(nats.RECONNECTING)
	s.Stop()
	// What is published while the client still believes in its connection may be sent when NATS is back, and the error
	// says no more than that it is unknown; what is promised begins when the client knows.
	select {
	case <-down:
	case <-time.After(20 * time.Second):
		t.Fatal("the client does not notice that the server has gone")
	}
	if seqs, err := l.AppendAll(t.Context(), many(3)); !errors.Is(err, events.ErrUnavailable) || len(seqs) != 0 {
		t.Errorf("without NATS: %v, %v", seqs, err)
	}
	s.Restart()
	// It waits for the connection, and what had failed is not appended later.
	if seqs, err := l.AppendAll(t.Context(), many(3)); err != nil || len(seqs) != 3 || seqs[0] != events.Seq(before)+1 {
		t.Errorf("after the restart: %v, %v", seqs, err)
	}
}
