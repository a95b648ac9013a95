package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

const (
	region   events.Region    = "local"
	session  events.SessionID = "0192f1c2-5d3e-4000-8000-00000000abcd"
	patience                  = 20 * time.Second
)

// What was there comes at once, what follows comes one by one, over a restart of the server too, and each once; that the
// consumer is gone ends it.
func TestReader(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	log := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	say := func(n int) {
		t.Helper()
		eventstest.Append(t, log, events.NewDraft(region, session, events.Gateway, events.Requeued, events.RequeuedData{Attempt: n}))
	}
	say(1)
	say(2)
	_, err := log.JetStream().CreateOrUpdateConsumer(t.Context(), events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(session), FilterSubject: events.SessionFilter(region, session),
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: 2 * time.Second,
	})
	require.NoError(t, err)
	var mu sync.Mutex
	var early int
	var got []int
	note := func(e events.Event) {
		var d events.RequeuedData
		if err := e.Decode(&d); err != nil {
			t.Error(err)
		}
		got = append(got, d.Attempt)
	}
	mine, err := events.New(server.Connect(t), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	r := Reader{Log: mine, Session: session, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Early: func(_ context.Context, list []events.Event) {
			mu.Lock()
			defer mu.Unlock()
			early = len(list)
			for _, e := range list {
				note(e)
			}
		},
		Event: func(_ context.Context, e events.Event) {
			mu.Lock()
			defer mu.Unlock()
			note(e)
		}}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	until := func(want ...int) {
		t.Helper()
		eventstest.Wait(t, patience, func() string {
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Sprintf("%v, there is %v", want, got)
			}
			return ""
		})
	}
	until(1, 2)
	require.Equal(t, 2, early)
	say(3)
	until(1, 2, 3)
	server.Restart()
	say(4)
	until(1, 2, 3, 4)
	require.NoError(t, log.JetStream().DeleteConsumer(t.Context(), events.SessionsStream, events.SessionConsumer(session)))
	select {
	case err := <-ended:
		require.ErrorIs(t, err, jetstream.ErrConsumerNotFound)
	case <-time.After(patience):
		t.Fatal("the reader did not end")
	}
}
