package streamer

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// A streamer ends with its attempt, whoever says that it is over, and not for what became of an earlier one.
func TestOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		actor events.Actor
		event events.Name
		data  any
	}{
		"the agent was lost":     {events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Attempt: 2, Reason: "silence"}},
		"back to the queue":      {events.Gateway, events.Requeued, events.RequeuedData{Attempt: 2}},
		"expired":                {events.Gateway, events.Expired, events.EndedData{}},
		"terminated":             {events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 2}},
		"failed":                 {events.Agent, events.Failed, events.FailedData{Agent: "a1", Attempt: 2}},
		"given back":             {events.Agent, events.AttemptFailed, events.FailedData{Agent: "a1", Attempt: 2}},
		"another claimed it":     {events.Agent, events.Claimed, events.ClaimedData{Agent: "a2", Attempt: 3}},
		"and long before it ran": {events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Attempt: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.cfg.Attempt = 2
			r.append(events.Agent, events.Claimed, events.ClaimedData{Agent: "a0", Attempt: 1})
			r.append(events.Agent, events.AttemptFailed, events.FailedData{Agent: "a0", Attempt: 1})
			r.append(events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 2})
			r.start()
			r.until(events.Ready, "")
			r.append(events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "late"})
			visit(t, r)
			r.append(c.actor, c.event, c.data)
			require.ErrorIs(t, r.finished(), ErrOver)
		})
	}
}

// A streamer gives signs of life, and one that does not know its attempt lives as long as its agent lets it.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	r := newRig(t).start()
	r.append(events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Attempt: 1})
	kv, err := r.log.JetStream().KeyValue(t.Context(), events.HeartbeatBucket)
	require.NoError(t, err)
	var first jetstream.KeyValueEntry
	eventstest.Wait(t, patience, func() string {
		e, err := kv.Get(t.Context(), events.StreamerKey(region, session))
		switch {
		case err != nil:
			return fmt.Sprintf("a heartbeat: %v", err)
		case first == nil:
			first = e
			return "another heartbeat"
		case e.Revision() == first.Revision():
			return "another heartbeat"
		}
		return ""
	})
}
