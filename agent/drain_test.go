package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// drainWithin is more than the five seconds that SIGTERM allows, for a slow machine, and no more than what an agent waits that waits for
// an instance or the log to give up.
const drainWithin = stopTime

// agents reads the agents' own stream.
func (r *rig) agents() *projections.Agents {
	r.t.Helper()
	m := projections.NewAgents()
	require.NoError(r.t, r.log.Read(r.t.Context(), events.AgentsStream, "", 0, func(e events.Event) error {
		m.Apply(e)
		return nil
	}))
	return m
}

// An agent that is told to stop ends its instances, says so, and leaves nothing behind. Not parallel: it looks at all goroutines.
func TestDrain(t *testing.T) {
	r, d := newRig(t), newMemory()
	a := r.start("a1", 4, r.says(d))
	known, ok := r.agents().Get(region, "a1")
	require.True(t, ok && known.Online)
	require.Equal(t, 4, known.Slots)
	require.Len(t, known.Applications, 2)
	require.Equal(t, []int{1, 3}, known.Applications[0].Versions)
	require.True(t, r.heartbeat("a1"))
	var ids []events.SessionID
	for range 3 {
		ids = append(ids, r.session())
	}
	for _, id := range ids {
		r.until(id, events.Ready)
	}

	began := time.Now()
	a.drained(t)
	require.Less(t, time.Since(began), drainWithin)
	require.Empty(t, d.running())
	require.True(t, d.closed)
	for _, id := range ids {
		require.Equal(t, []string{"agent.terminated"}, r.endings(id))
		require.Equal(t, "the agent was stopped", decoded[events.EndedData](t, r.until(id, events.Terminated)).Reason)
	}
	known, _ = r.agents().Get(region, "a1")
	require.False(t, known.Online)
	require.False(t, r.heartbeat("a1"))
	require.Empty(t, r.consumers(), "of streamers and of the watch")
	eventstest.Wait(t, patience, func() string {
		if left := eventstest.Goroutines("streamstack/agent", "streamstack/events.", "nats.go/jetstream"); len(left) > 0 {
			return "goroutines to end:\n" + strings.Join(left, "\n\n")
		}
		return ""
	})
	late := r.session()
	require.Equal(t, uint64(1), r.queued(), "nobody takes it")
	require.Len(t, func() []string { w, _ := r.history(late); return w }(), 1)
}

// An agent without work does not wait for its pulls to come back.
func TestIdleAgentStopsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const tries = 5 // a busy machine may hold up any of them
	quickest := time.Hour
	for i := 0; i < tries && quickest >= pullWait/2; i++ {
		a := r.start("a1", 1, newMemory())
		began := time.Now()
		a.drained(t)
		quickest = min(quickest, time.Since(began))
	}
	require.Less(t, quickest, pullWait/2)
}

// The sessions of an agent that was killed end with a reason when it is back; others are left alone.
func TestRecover(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	claim := func(by events.AgentID) events.SessionID {
		id := r.create()
		r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: by, Attempt: 1})
		return id
	}
	running, foreign, over, deleted, waiting, lost := claim("a1"), claim("a2"), claim("a1"), claim("a1"), r.create(), claim("a1")
	r.append(running, events.Streamer, events.Ready, events.ReadyData{})
	r.append(over, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Reason: "done"})
	r.append(deleted, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted by a"})
	r.append(lost, events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Reason: "silence"})
	d.swept = []string{string(running)}
	r.start("a1", 1, d)

	e := decoded[events.FailedData](t, r.until(running, events.Failed))
	require.Equal(t, events.FailedData{Agent: "a1", Attempt: 1, Part: "agent", Cause: events.CauseVanished, Reason: "the agent that ran the session was killed, and its instance with it"}, e)
	require.Equal(t, "deleted by a", decoded[events.EndedData](t, r.until(deleted, events.Terminated)).Reason)
	require.Empty(t, r.endings(foreign))
	require.Empty(t, r.endings(waiting))
	require.Equal(t, []string{"agent.terminated"}, r.endings(over))
	require.Equal(t, []string{"gateway.agent_lost"}, r.endings(lost))
}

// NATS goes away and comes back while instances run: what ends meanwhile is recorded, and new work is taken.
func TestNATSRestart(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 3, r.says(d))
	first, second := r.session(), r.session()
	r.until(first, events.Ready)
	r.until(second, events.Ready)
	r.server.Stop()
	for _, in := range d.running() {
		if in.ID() == string(first) {
			in.end(driver.Ending{Part: driver.PartApplication, Failed: true, Reason: "the application crashed", ExitCode: 1})
		}
	}
	eventstest.Wait(t, patience, func() string {
		if n := len(d.running()); n != 1 {
			return fmt.Sprintf("one instance, there are %d", n)
		}
		return ""
	})
	r.server.Restart()
	require.Equal(t, "the application crashed", decoded[events.FailedData](t, r.until(first, events.Failed)).Reason)
	r.until(r.session(), events.Ready)
	r.append(second, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"})
	r.until(second, events.Terminated)
	require.Len(t, r.endings(first), 1)
	require.Len(t, r.endings(second), 1)
}

// However long NATS is away, an ending gets in: nothing else would end the session of an agent that lives.
func TestLongOutage(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, r.says(d))
	id := r.session()
	r.until(id, events.Ready)
	r.server.Stop()
	d.running()[0].end(driver.Ending{Part: driver.PartApplication, Reason: "the application ended"})
	back := time.Now().Add(appendTime + time.Second)
	eventstest.Wait(t, patience, func() string {
		if time.Now().Before(back) {
			return "the outage to last"
		}
		return ""
	})
	r.server.Restart()
	r.until(id, events.Terminated)
	require.Len(t, r.endings(id), 1)
}

// An agent that dies without a word is known by its heartbeat, which expires.
func TestHeartbeatExpires(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.start("a1", 1, newMemory())
	eventstest.Wait(t, patience, func() string { // renewed at least once
		kv, err := r.log.JetStream().KeyValue(t.Context(), events.HeartbeatBucket)
		if err != nil {
			return err.Error()
		}
		if e, err := kv.Get(t.Context(), events.HeartbeatKey(region, "a1")); err != nil || e.Revision() < 2 {
			return "a renewed heartbeat"
		}
		return ""
	})
	a.nc.Close()
	died := time.Now()
	eventstest.Wait(t, patience, func() string {
		if r.heartbeat("a1") {
			return "the heartbeat to expire"
		}
		return ""
	})
	require.Greater(t, time.Since(died), events.HeartbeatTTL/4, "not at once: the last one may have been some seconds old")
}
