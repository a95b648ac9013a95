package gateway

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// soon is when a deadline fires before which a test has something to do: in time also on a machine that does other things.
const soon = 8 * time.Second

// ahead makes a gateway's clock go before by so much: deadlines are told to JetStream as a distance on that clock.
func ahead(d time.Duration) func(*Gateway) {
	return func(g *Gateway) { g.now = func() time.Time { return time.Now().Add(d) } }
}

// Two gateways, one place in the queue for each session: also when an event is delivered again.
func TestDispatchOnce(t *testing.T) {
	t.Parallel()
	r := house(t)
	other := r.stack.gateway()
	other.serving("testcard")
	var want []events.SessionID
	for i := range 20 {
		want = append(want, []*replica{r, other}[i%2].create().ID)
	}
	for _, id := range want {
		r.stack.awaitsWork(id)
	}
	// Again, as after a gateway that died before its acknowledgement.
	js := r.stack.log.JetStream()
	require.NoError(t, js.DeleteConsumer(t.Context(), events.SessionsStream, "gateway-dispatch"))
	eventstest.Wait(t, within, func() string {
		c, err := js.Consumer(t.Context(), events.SessionsStream, "gateway-dispatch")
		if err != nil {
			return err.Error()
		}
		if info, err := c.Info(t.Context()); err != nil || info.AckFloor.Stream < 1 || info.NumPending+uint64(info.NumAckPending) > 0 {
			return "all handled again"
		}
		return ""
	})
	got := r.stack.work()
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(t, want, got)
	// What has been claimed meanwhile, or has ended, is not queued.
	c := r.create()
	r.stack.awaitsWork(c.ID)
	r.stack.claim(c.ID)
	r.stack.say(c.ID, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 2, Reason: "launch failed"})
	eventstest.Wait(t, within, func() string {
		if n := len(r.stack.work()); n != len(want)+2 {
			return "the session in the queue once more"
		}
		return ""
	})
	// And once more, when an agent gives it back.
	r.stack.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 2})
	r.stack.say(c.ID, events.Agent, events.AttemptFailed, events.FailedData{Agent: "a1", Attempt: 2, Part: "launch", Cause: events.CauseFull, Reason: "no room"})
	eventstest.Wait(t, within, func() string {
		if n := len(r.stack.work()); n != len(want)+3 {
			return "the session in the queue for its third attempt"
		}
		return ""
	})
}

// A session that no agent takes ends after five minutes, in words.
func TestQueueDeadline(t *testing.T) {
	t.Parallel()
	r := house(t, ahead(projections.QueueTime-2*time.Second))
	r.stack.gateway(ahead(projections.QueueTime - 2*time.Second))
	c := r.create()
	var d events.EndedData
	require.NoError(t, r.stack.awaits(c.ID, "gateway.expired", 1).Decode(&d))
	require.Equal(t, "no agent took the session within 5 minutes", d.Reason)
	r.stack.settled()
	r.stack.awaits(c.ID, "gateway.expired", 1)
}

// settled waits until no deadline is due or waits for its acknowledgement.
func (s *stack) settled() {
	s.t.Helper()
	eventstest.Wait(s.t, within, func() string {
		c, err := s.log.JetStream().Consumer(s.t.Context(), events.DeadlinesStream, "gateway-due")
		if err != nil {
			return err.Error()
		}
		if info, err := c.Info(s.t.Context()); err != nil || info.NumPending+uint64(info.NumAckPending) > 0 {
			return "all deadlines handled"
		}
		return ""
	})
}

// A session that nobody connects to, and one that its client has left, are told to end; one that is streamed is not. With
// two gateways each deadline has one effect.
func TestIdleDeadlines(t *testing.T) {
	t.Parallel()
	r := house(t, ahead(projections.NobodyTime-soon))
	s := r.stack
	s.gateway(ahead(projections.NobodyTime - soon))
	nobody, streamed, left, never := r.create(), r.create(), r.create(`{"app":"testcard","joinable":false}`), r.create(`{"app":"testcard","idle_time_min":0}`)
	idle := r.create(`{"app":"testcard","idle_time_min":5}`)
	for _, c := range []created{nobody, streamed, left, never, idle} {
		s.ready(c.ID)
	}
	connect := func(c created) {
		s.say(c.ID, events.Streamer, events.Connected, events.ConnectedData{Peer: s.peerOf(c.ID)})
	}
	connect(streamed)
	connect(left)
	connect(idle)
	s.say(left.ID, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: s.peerOf(left.ID), Reason: events.ReasonLeft, Connected: true})
	s.say(idle.ID, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: s.peerOf(idle.ID), Reason: events.ReasonLost, Connected: true})
	for c, want := range map[*created]events.TerminatingData{
		&nobody: {By: "nobody", Reason: "nobody connected within 5 minutes"},
		&left:   {By: "client_left", Reason: "the client left"},
		&idle:   {By: "idle", Reason: "no client for 5 minutes"},
	} {
		var d events.TerminatingData
		require.NoError(t, s.awaits(c.ID, "gateway.terminating", 1).Decode(&d))
		require.Equal(t, want, d)
	}
	s.settled()
	for _, c := range []created{streamed, never} {
		names, _ := s.history(c.ID)
		require.NotContains(t, names, "gateway.terminating")
	}
	for _, c := range []created{nobody, left, idle} {
		s.awaits(c.ID, "gateway.terminating", 1)
	}
}

// A deadline set before a gateway stopped fires after another one has started: none lives in a process's memory.
func TestDeadlineOutlivesTheGateway(t *testing.T) {
	t.Parallel()
	clock := ahead(projections.QueueTime - soon)
	r := house(t, clock)
	s := r.stack
	c := r.create()
	at, due := projections.DeadlineSubjects(region, c.ID, projections.DeadlineQueue)
	stream, err := s.log.JetStream().Stream(t.Context(), events.DeadlinesStream)
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		m, err := stream.GetLastMsgForSubject(t.Context(), at)
		if err != nil {
			return "the deadline: " + err.Error()
		}
		require.Contains(t, m.Header.Get(jetstream.ScheduleHeader), "@at ", "JetStream's scheduler keeps it")
		require.Equal(t, due, m.Header.Get(jetstream.ScheduleTargetHeader))
		return ""
	})
	require.NoError(t, r.stop())
	names, _ := s.history(c.ID)
	require.NotContains(t, names, "gateway.expired")
	eventstest.Wait(t, within, func() string { // it fires with no gateway there
		if _, err := stream.GetLastMsgForSubject(t.Context(), due); err != nil {
			return "the deadline to fire: " + err.Error()
		}
		return ""
	})
	s.gateway(clock)
	s.gateway(clock)
	s.awaits(c.ID, "gateway.expired", 1)
	s.settled()
	s.awaits(c.ID, "gateway.expired", 1)
}

// A deadline is the server's: one set before NATS restarts, with its two gateways gone or running all the while, and one
// whose time comes while NATS is down, fires once after it is back.
func TestDeadlineOutlivesNATS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		running bool          // the gateways, while NATS restarts
		left    time.Duration // of the deadline, when NATS is stopped
	}{
		"gateways start after it":            {false, soon + 4*time.Second},
		"gateways run":                       {true, soon + 4*time.Second},
		"gateways run, due while it is down": {true, soon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := ahead(projections.QueueTime - c.left)
			s := newStack(t)
			gateways := []*replica{s.gateway(clock), s.gateway(clock)}
			s.agent("a1", 100, "testcard")
			gateways[0].serving("testcard")
			session := gateways[0].create()
			at, _ := projections.DeadlineSubjects(region, session.ID, projections.DeadlineQueue)
			var fires time.Time
			eventstest.Wait(t, within, func() string {
				var err error
				if fires, err = s.fires(at); err != nil {
					return err.Error()
				}
				return ""
			})
			if !c.running {
				for _, g := range gateways {
					require.NoError(t, g.stop())
				}
			}
			names, _ := s.history(session.ID)
			require.NotContains(t, names, "gateway.expired")
			s.nats.Stop()
			if c.left == soon {
				<-time.After(time.Until(fires)) // its time passes, and nobody is there
			}
			s.nats.Restart()
			if !c.running {
				gateways = []*replica{s.gateway(clock), s.gateway(clock)}
			}
			eventstest.Wait(t, within, func() string { // the tests' own connection comes back
				if _, err := s.log.LastSeq(t.Context(), region, session.ID); err != nil {
					return err.Error()
				}
				return ""
			})
			end := s.awaits(session.ID, "gateway.expired", 1)
			require.False(t, end.Stored.Before(fires), "%s is before %s", end.Stored, fires)
			s.settled()
			s.awaits(session.ID, "gateway.expired", 1)
			for _, g := range gateways {
				require.NoError(t, g.sessions.Wait(t.Context(), end.Sequence))
				require.Equal(t, "404", g.status(session.ID), "it has ended before it was anything")
			}
		})
	}
}

// A deadline that comes before its time, by a clock that goes before, is set again and does no harm.
func TestDeadlineTooEarly(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	require.NoError(t, r.sessionDue(t.Context(), region, c.ID))
	require.NoError(t, r.sessionDue(t.Context(), region, "nobody"))
	names, _ := r.stack.history(c.ID)
	require.NotContains(t, names, "gateway.expired")
}
