package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// agent is a fake one with these slots, online and alive until the test ends; apps have version 1 and 2.
func (s *stack) agent(id events.AgentID, slots int, apps ...string) {
	s.t.Helper()
	var served []events.ApplicationData
	for _, a := range apps {
		served = append(served, events.ApplicationData{Name: a, Versions: []int{1, 2}, Screen: events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 96}})
	}
	s.beat(id, time.Hour)
	_, err := s.log.Append(s.t.Context(), events.NewAgentDraft(region, id, events.AgentOnline, events.OnlineData{Driver: "fake", Slots: slots, Applications: served}))
	require.NoError(s.t, err)
}

// beat renews the fake agent's heartbeat as the real one does, for a life of at least a second.
func (s *stack) beat(id events.AgentID, life time.Duration) {
	s.t.Helper()
	m := nats.NewMsg("$KV." + events.HeartbeatBucket + "." + events.HeartbeatKey(region, id))
	m.Data = []byte(time.Now().UTC().Format(time.RFC3339Nano))
	_, err := s.log.JetStream().PublishMsg(s.t.Context(), m, jetstream.WithMsgTTL(life))
	require.NoError(s.t, err)
}

// serving waits until a gateway offers an application.
func (r *replica) serving(app string) {
	r.stack.t.Helper()
	eventstest.Wait(r.stack.t, within, func() string {
		if _, err := r.place(app, 0, ""); err != nil {
			return err.Error()
		}
		return ""
	})
}

// house is the usual beginning: one gateway and one agent that serves testcard.
func house(t *testing.T, change ...func(*Gateway)) *replica {
	t.Helper()
	s := newStack(t)
	r := s.gateway(change...)
	s.agent("a1", 100, "testcard")
	r.serving("testcard")
	return r
}

// say appends an event as agent or streamer would, and waits until the gateways have it.
func (s *stack) say(id events.SessionID, a events.Actor, n events.Name, data any, see ...*replica) events.Seq {
	s.t.Helper()
	seq := eventstest.Append(s.t, s.log, events.NewDraft(region, id, a, n, data))
	for _, r := range see {
		require.NoError(s.t, r.sessions.Wait(s.t.Context(), seq))
	}
	return seq
}

func (s *stack) claim(id events.SessionID, see ...*replica) {
	s.t.Helper()
	s.say(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1, Driver: "fake"}, see...)
}

// ready claims a session and lets its streamer be ready.
func (s *stack) ready(id events.SessionID, see ...*replica) {
	s.t.Helper()
	s.claim(id, see...)
	s.say(id, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i-" + string(id)}, see...)
	s.say(id, events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 30}, ADB: true}, see...)
}

// history is the session's events as actor.name.
func (s *stack) history(id events.SessionID) (names []string, all []events.Event) {
	s.t.Helper()
	require.NoError(s.t, eventstest.Answered(func() error {
		names, all = nil, nil
		return s.log.History(s.t.Context(), region, id, 0, func(e events.Event) error {
			names, all = append(names, string(e.Actor)+"."+string(e.Name)), append(all, e)
			return nil
		})
	}))
	return names, all
}

// awaits waits until the session's history has so many of an event, and returns the last of them.
func (s *stack) awaits(id events.SessionID, event string, n int) (last events.Event) {
	s.t.Helper()
	eventstest.Wait(s.t, within, func() string {
		names, all := s.history(id)
		found := 0
		for i, name := range names {
			if name == event {
				found, last = found+1, all[i]
			}
		}
		if found < n {
			return fmt.Sprintf("%d %s in %v", n-found, event, names)
		}
		require.Equal(s.t, n, found, "%s in %v", event, names)
		return ""
	})
	return last
}

// peerOf is the session's current peer.
func (s *stack) peerOf(id events.SessionID) events.PeerID {
	s.t.Helper()
	var x projections.Session
	require.NoError(s.t, eventstest.Answered(func() (err error) {
		x, _, err = projections.Load(s.t.Context(), s.log, region, id)
		return err
	}))
	return x.Peer
}
