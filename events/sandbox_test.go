package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func TestSandboxHoldsWhatWasRecorded(t *testing.T) {
	l := eventstest.Log(t)
	mustAppend(t, l, created(session))
	mustAppend(t, l, candidate(session))
	// What must not be trusted must not be trusted in the copy either.
	_, err := l.JetStream().Publish(t.Context(), "sessions.local."+string(session)+".agent.created", []byte(`{}`))
	require.NoError(t, err)
	want := stored(t, l)

	require.NoError(t, l.CreateSandbox(t.Context(), "Replay_1"))
	require.NoError(t, l.CreateSandbox(t.Context(), "Replay_1"), "again")
	for range 2 { // the second replay is no duplicate of the first
		for _, e := range want {
			_, err := l.AppendReplay(t.Context(), "Replay_1", e)
			require.NoError(t, err)
		}
	}
	c := newCollector()
	filter := events.SandboxFilter("Replay_1", events.SessionFilter(region, session))
	require.NoError(t, l.Read(t.Context(), "Replay_1", filter, 0, c.add))
	got := c.events()
	require.Len(t, got, 2*len(want))
	for i, e := range got {
		w := want[i%len(want)]
		require.Equal(t, []any{w.ID, w.Source, w.Type, w.Region, w.Session, w.Actor, w.Name, w.Data}, []any{e.ID, e.Source, e.Type, e.Region, e.Session, e.Actor, e.Name, e.Data})
		require.True(t, w.Time.Equal(e.Time) || w.Quarantine != "")
		require.Equal(t, w.Quarantine != "", e.Quarantine != "", e.Quarantine)
	}
	require.Equal(t, want, stored(t, l), "SESSIONS is as it was")

	s, err := l.JetStream().Stream(t.Context(), "Replay_1")
	require.NoError(t, err)
	m, err := s.GetMsg(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, "2", m.Header.Get("ce-originsequence"))
	require.Equal(t, want[1].Stored.UTC().Format(time.RFC3339Nano), m.Header.Get("ce-originstored"))
	require.Empty(t, m.Header.Get("Nats-TTL"), "a copy is kept")
}

// A copy does not bring along what a forgery is told by, and is told all the same, in a copy of the copy too.
func TestSandboxTrustsNoForgery(t *testing.T) {
	s := eventstest.Start(t)
	nc := s.Connect(t, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	l := eventstest.NewLog(t, nc, events.StreamsConfig{})
	list := append(eventstest.Forgeries(), eventstest.Forgery{Name: "long and no text", Data: strings.Repeat("\xff", 2*events.MaxData-1000), Want: "not JSON"})
	for i, f := range list {
		f.Publish(t, s, nc)
		eventstest.Wait(t, within, func() string {
			if b, err := l.Bounds(t.Context(), events.SessionsStream); err != nil || b.Last != events.Seq(i+1) {
				return f.Name + ": to be stored"
			}
			return ""
		})
	}
	recorded := stored(t, l)
	require.Len(t, recorded, len(list))
	for _, sandbox := range []string{"first", "second"} {
		require.NoError(t, l.CreateSandbox(t.Context(), sandbox))
		for i, e := range recorded {
			_, err := l.AppendReplay(t.Context(), sandbox, e)
			require.NoError(t, err, list[i].Name)
		}
		c := newCollector()
		require.NoError(t, l.Read(t.Context(), sandbox, events.SandboxFilter(sandbox, events.AllSessions), 0, c.add))
		copies := c.events()
		require.Len(t, copies, len(list))
		for i, e := range copies {
			require.Equal(t, recorded[i].Quarantine, e.Quarantine, list[i].Name)
			require.Contains(t, e.Quarantine, list[i].Want, list[i].Name)
		}
		recorded = copies
	}
}

func TestSandboxRefusesOtherStreams(t *testing.T) {
	l := eventstest.Log(t)
	_, err := l.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "mine", Subjects: []string{"mine.>"}})
	require.NoError(t, err)
	for _, name := range []string{"SESSIONS", "sessions", "WORK", "QUALITY", "WEBHOOKS", "KV_x", "kv_snapshots", "OBJ_x", "obj_x", "", "a.b", "a*", "a b", "mine"} {
		require.ErrorIs(t, l.CreateSandbox(t.Context(), name), events.ErrNotSandbox, name)
	}
	// Even one that got past the check reaches no stream but its own.
	_, err = l.AppendReplay(t.Context(), "SESSIONS", events.Event{ID: "x", Subject: "sessions.local.x.gateway.created", Data: events.Raw(`{}`)})
	require.Error(t, err)
	require.Empty(t, stored(t, l))
}

func TestSeek(t *testing.T) {
	l := eventstest.Log(t)
	for range 40 {
		mustAppend(t, l, created(session))
	}
	all := stored(t, l)
	for _, i := range []int{0, 1, 17, 39} {
		seq, err := l.FirstAt(t.Context(), events.SessionsStream, all[i].Stored)
		require.NoError(t, err)
		require.Equal(t, all[i].Sequence, seq)
		e, found, err := l.Next(t.Context(), events.SessionsStream, all[i].Sequence)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, all[i].ID, e.ID)
	}
	seq, err := l.FirstAt(t.Context(), events.SessionsStream, all[39].Stored.Add(1))
	require.NoError(t, err)
	require.Equal(t, events.Seq(41), seq)
	_, found, err := l.Next(t.Context(), events.SessionsStream, 41)
	require.NoError(t, err)
	require.False(t, found)
}
