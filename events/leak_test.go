package events_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// Readers that end leave no goroutine, no subscription and no consumer behind. Not parallel: it counts goroutines.
func TestReadersLeaveNothing(t *testing.T) {
	s := eventstest.Start(t)
	l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	mustAppend(t, l, created(session))
	stream, err := l.JetStream().Stream(t.Context(), events.SessionsStream)
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		_, live, stopTail := tailing(t, l, 0)
		<-live
		caught := make(chan struct{}, 1)
		stopFollow := spawn(t, func(ctx context.Context) error {
			return l.Follow(ctx, events.SessionsStream, nil, events.Start{Seq: 2}, func(events.Event) error { return nil }, func() { caught <- struct{}{} })
		})
		<-caught
		if err := l.History(t.Context(), region, session, 0, func(events.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := l.LastSeq(t.Context(), region, session); err != nil {
			t.Fatal(err)
		}
		stopTail()
		stopFollow()
	}
	round()
	goroutines, subs := runtime.NumGoroutine(), l.Conn().NumSubscriptions()
	for range 20 {
		round()
	}
	eventstest.Wait(t, within, func() string {
		info, err := stream.Info(t.Context())
		if err != nil {
			return err.Error()
		}
		// The goroutines of the server's own housekeeping come and go.
		if g, n := runtime.NumGoroutine(), l.Conn().NumSubscriptions(); g > goroutines+5 || n > subs || info.State.Consumers > 0 {
			return fmt.Sprintf("%d goroutines of %d, %d subscriptions of %d, %d consumers to end", g, goroutines, n, subs, info.State.Consumers)
		}
		return ""
	})
}
