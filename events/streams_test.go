package events_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func TestStreams(t *testing.T) {
	t.Parallel()
	nc := eventstest.Conn(t)
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	s, err := l.JetStream().Stream(t.Context(), events.SessionsStream)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	switch {
	case !c.DenyDelete, !c.DenyPurge:
		t.Error("events can be taken out of the log")
	case !c.AllowMsgTTL, !c.AllowDirect, c.AllowRollup, c.Storage != jetstream.FileStorage, c.MaxAge != events.DefaultRetention:
		t.Errorf("%+v", c)
	case c.RePublish == nil || c.RePublish.Source != "sessions.>" || c.RePublish.Destination != "live.sessions.>":
		t.Errorf("republished as %+v", c.RePublish)
	}
	seq := mustAppend(t, l, created(session))
	if err := s.DeleteMsg(t.Context(), uint64(seq)); err == nil {
		t.Error("an event was deleted")
	}
	if err := s.Purge(t.Context()); err == nil {
		t.Error("the log was purged")
	}
	// A publisher's rollup would take away what came before.
	m := nats.NewMsg(created(session).Subject)
	m.Header.Set("Nats-Rollup", "all")
	if _, err := l.JetStream().PublishMsg(t.Context(), m); err == nil {
		t.Error("a rollup was taken")
	}
	for _, name := range []string{events.WorkStream, events.AgentsStream, events.AccountsStream, events.WebhooksStream, events.DeadlinesStream, events.SettingsStream, events.RequestsStream} {
		if _, err := l.JetStream().Stream(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.JetStream().KeyValue(t.Context(), events.HeartbeatBucket); err != nil {
		t.Error(err)
	}
}

func TestCreateStreamsAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	var group sync.WaitGroup
	for i := range 8 {
		js, err := jetstream.New(s.Connect(t))
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			// Two installations' worth of settings: whoever is last wins, and nobody fails.
			c := events.StreamsConfig{Retention: time.Duration(1+i%2) * time.Hour}
			if err := events.CreateStreams(t.Context(), js, c); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	mustAppend(t, l, created(session))
	// A retention below the window for duplicates must be possible too.
	for _, d := range []time.Duration{48 * time.Hour, time.Minute, 48 * time.Hour} {
		if err := events.CreateStreams(t.Context(), l.JetStream(), events.StreamsConfig{Retention: d}); err != nil {
			t.Fatal(err)
		}
		s, err := l.JetStream().Stream(t.Context(), events.SessionsStream)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo(); got.Config.MaxAge != d || got.State.Msgs != 1 {
			t.Fatalf("retention %s, %d events; not %s, 1", got.Config.MaxAge, got.State.Msgs, d)
		}
	}
}

func TestCreateStreamsFailures(t *testing.T) {
	t.Parallel()
	s := eventstest.Start(t)
	js, err := jetstream.New(s.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := events.CreateStreams(t.Context(), js, events.StreamsConfig{Memory: true}); err != nil {
		t.Fatal(err)
	}
	err = events.CreateStreams(t.Context(), js, events.StreamsConfig{})
	if err == nil || !strings.Contains(err.Error(), events.SessionsStream) {
		t.Errorf("streams in memory became streams on disk: %v", err)
	}
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := events.CreateStreams(ctx, js, events.StreamsConfig{Memory: true}); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
}
