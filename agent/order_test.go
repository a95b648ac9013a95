package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// order is what a gateway says to an agent.
func (r *rig) order(id events.AgentID, n events.Name, d events.DrainData) {
	r.t.Helper()
	_, err := r.log.Append(r.t.Context(), events.NewOrderDraft(region, id, n, d))
	require.NoError(r.t, err)
}

// shut waits until the agent takes no work, or does again.
func (s *started) shut(t *testing.T, want bool) {
	t.Helper()
	eventstest.Wait(t, patience, func() string {
		if s.gate.shut() != want {
			select {
			case err := <-s.ended:
				t.Fatalf("the agent ended: %v", err)
			default:
			}
			return fmt.Sprintf("the gate shut: %t", want)
		}
		return ""
	})
}

// A drained agent takes no more work and lets its sessions go on; others take the work; it is resumed, also in an outage.
func TestDrainOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d1, d2 := r.says(newMemory()), r.says(newMemory())
	r.order("a1", events.AgentDrain, events.DrainData{By: "account:kim"}) // to an earlier run: it begins anew
	a := r.start("a1", 4, d1)
	r.until(r.session(), events.Ready)
	require.Len(t, d1.running(), 1)
	r.order("a2", events.AgentDrain, events.DrainData{By: "account:kim"}) // somebody else's
	r.order("a1", events.AgentDrain, events.DrainData{By: "account:kim"})
	a.shut(t, true)
	known, _ := r.agents().Get(region, "a1")
	require.True(t, known.Draining && known.Online)
	require.Equal(t, "account:kim", known.DrainBy)
	waits := r.session()
	r.start("a2", 1, d2)
	r.until(waits, events.Ready)
	require.Len(t, d1.running(), 1)
	require.Len(t, d2.running(), 1)

	r.order("a1", events.AgentResume, events.DrainData{By: "account:kim"})
	a.shut(t, false)
	r.until(r.session(), events.Ready)
	require.Len(t, d1.running(), 2)
}

// What is said while the agent cannot be reached is heard when it can be.
func TestDrainOrderInAnOutage(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	a := r.start("a1", 1, r.says(d))
	a.nc.Opts.ReconnectWait = time.Second
	require.NoError(t, a.nc.ForceReconnect())
	r.order("a1", events.AgentDrain, events.DrainData{By: "account:kim"})
	a.shut(t, true)
}

// The sessions of a drained agent get until the deadline.
func TestDrainDeadline(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, r.says(d))
	id := r.session()
	r.until(id, events.Ready)
	r.order("a1", events.AgentDrain, events.DrainData{By: "account:kim", Until: time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)})
	require.Equal(t, "the agent was drained, and the session's time was over", decoded[events.EndedData](t, r.until(id, events.Terminated)).Reason)
	require.Empty(t, d.running())
	known, _ := r.agents().Get(region, "a1")
	require.False(t, known.DrainUntil.IsZero())
}
