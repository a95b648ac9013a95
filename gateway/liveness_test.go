package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func soonLost(g *Gateway) { g.times.lostAfter = time.Second }

// alive waits until a gateway sees the agent as up, or as silent.
func (r *replica) sees(id events.AgentID, alive bool) {
	r.stack.t.Helper()
	eventstest.Wait(r.stack.t, within, func() string {
		if r.alive.has(events.HeartbeatKey(region, id)) != alive {
			return fmt.Sprintf("agent %s alive: %t", id, alive)
		}
		return ""
	})
}

// The sessions of an agent that stays away end once, with two gateways, and those of another agent do not.
func TestAgentLost(t *testing.T) {
	t.Parallel()
	r := house(t, soonLost)
	other := r.stack.gateway(soonLost)
	s := r.stack
	mine, theirs, waits := r.create(), r.create(), r.create()
	s.beat("a2", time.Hour)
	other.sees("a2", true)
	r.sees("a2", true)
	s.say(mine.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a2", Attempt: 1}, r, other)
	s.claim(theirs.ID, r, other)
	s.beat("a2", time.Second) // its last
	r.sees("a2", false)
	var d events.EndedData
	require.NoError(t, s.awaits(mine.ID, "gateway.agent_lost", 1).Decode(&d))
	require.Equal(t, events.AgentID("a2"), d.Agent)
	require.Equal(t, 1, d.Attempt)
	require.Contains(t, d.Reason, "the agent a2 that ran the session has not answered")
	s.settled()
	s.awaits(mine.ID, "gateway.agent_lost", 1)
	for _, c := range []created{theirs, waits} {
		names, _ := s.history(c.ID)
		require.NotContains(t, names, "gateway.agent_lost")
	}
	require.NoError(t, r.sessions.Wait(t.Context(), s.awaits(mine.ID, "gateway.agent_lost", 1).Sequence))
	require.Equal(t, "error", r.status(mine.ID), "kept, so that the reason can be read")
}

// An agent that is back in time keeps its sessions, and so does one that was back before a gateway came to look.
func TestAgentBackInTime(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.lostAfter = soon })
	s := r.stack
	c := r.create()
	s.beat("a2", time.Hour)
	r.sees("a2", true)
	s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "a2", Attempt: 1}, r)
	s.beat("a2", time.Second)
	r.sees("a2", false)
	s.beat("a2", time.Hour)
	r.sees("a2", true)
	_, due := agentDeadline(region, "a2")
	stream, err := s.log.JetStream().Stream(t.Context(), events.DeadlinesStream)
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		if _, err := stream.GetLastMsgForSubject(t.Context(), due); err != nil {
			return "the agent's deadline: " + err.Error()
		}
		return ""
	})
	s.settled()
	names, _ := s.history(c.ID)
	require.NotContains(t, names, "gateway.agent_lost")
}

// An agent that died while no gateway ran is found missing by the next one.
func TestAgentMissingAtStart(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: "ghost", Attempt: 1}, r)
	require.NoError(t, r.stop())
	s.gateway(soonLost)
	s.awaits(c.ID, "gateway.agent_lost", 1)
}

// What is no heartbeat is none for a gateway that finds it at its start either: a server's answer on an agent's key would be a
// sign of life that never expires.
func TestOnlyAgentsBeat(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	var claimed []created
	for i, said := range []string{"", "1", "{}", `{"stream":"SESSIONS","seq":7}`, `{"type":"io.nats.jetstream.api.v1.consumer_info_response"}`} {
		ghost := events.AgentID(fmt.Sprintf("ghost-%d", i))
		_, err := s.log.JetStream().Publish(t.Context(), events.HeartbeatSubject(events.HeartbeatKey(region, ghost)), []byte(said))
		require.NoError(t, err)
		c := r.create()
		s.say(c.ID, events.Agent, events.Claimed, events.ClaimedData{Agent: ghost, Attempt: 1}, r)
		claimed = append(claimed, c)
	}
	require.NoError(t, r.stop())
	s.gateway(soonLost)
	for _, c := range claimed {
		s.awaits(c.ID, "gateway.agent_lost", 1)
	}
}
