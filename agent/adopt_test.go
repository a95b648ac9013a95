package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
)

// held makes a session as an agent that died has left it: launched, and ready if that is asked for.
func (r *rig) held(by events.AgentID, ready bool) events.SessionID {
	r.t.Helper()
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: by, Attempt: 1})
	r.append(id, events.Agent, events.Launched, events.LaunchedData{Agent: by, Attempt: 1, Instance: string(id)})
	if ready {
		r.append(id, events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}})
	}
	return id
}

// An agent is back: it carries on with what runs, ends what outlived its session, and tells what vanished. A session that had
// not been ready goes back to the queue.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	goes, ends, late := r.held("a1", true), r.held("a1", true), r.held("a1", false)
	lost, foreign, told := r.held("a1", true), r.held("a2", true), r.held("a1", true)
	r.append(lost, events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Attempt: 1, Reason: "silence"})
	r.append(told, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted by kim"})
	vanished, never := r.held("a1", true), r.held("a1", false)
	for _, id := range []events.SessionID{goes, ends, late, lost, foreign, told} {
		d.left = append(d.left, string(id))
	}
	cfg, nc := r.config("a1", 2, r.says(d)) // three go on, though there are two slots
	cfg.Adopt = true
	a := r.run(cfg, nc)

	failed := decoded[events.FailedData](t, r.until(vanished, events.Failed))
	require.Equal(t, events.CauseVanished, failed.Cause)
	require.Contains(t, failed.Reason, "when it was back the session's instance was gone")
	require.Equal(t, events.CauseVanished, decoded[events.FailedData](t, r.until(never, events.AttemptFailed)).Cause)
	require.Empty(t, r.endings(never))
	require.Equal(t, "deleted by kim", decoded[events.EndedData](t, r.until(told, events.Terminated)).Reason)
	eventstest.Wait(t, patience, func() string {
		if n := len(d.running()); n != 3 {
			return fmt.Sprintf("three instances, there are %d", n)
		}
		return ""
	})
	r.append(late, events.Streamer, events.Ready, events.ReadyData{})
	waits := r.session()
	r.append(goes, events.Gateway, events.Terminating, events.TerminatingData{Reason: "enough"})
	require.Equal(t, events.EndedData{Agent: "a1", Attempt: 1, Reason: "enough"}, decoded[events.EndedData](t, r.until(goes, events.Terminated)))
	require.Empty(t, r.endings(waits))
	for _, in := range d.running() {
		if in.ID() == string(ends) {
			in.end(driver.Ending{Part: driver.PartStreamer, Failed: true, Reason: "the streamer ended", ExitCode: -1})
		}
	}
	require.Equal(t, events.CauseDied, decoded[events.FailedData](t, r.until(ends, events.Failed)).Cause)
	r.until(waits, events.Ready) // the slot is there again
	a.drained(t)
	require.Equal(t, []string{"agent.terminated"}, r.endings(late))
	require.Equal(t, []string{"gateway.agent_lost"}, r.endings(lost))
	require.Empty(t, r.endings(foreign))
	require.Empty(t, d.running())
}

// Without Adopt nothing is taken over: `up` ends what an earlier run left.
func TestTakesNothingOver(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	id := r.held("a1", true)
	d.left = []string{string(id)}
	r.start("a1", 1, d)
	require.Contains(t, decoded[events.FailedData](t, r.until(id, events.Failed)).Reason, "was killed, and its instance with it")
	require.Empty(t, d.running())
}

// A streamer that gives no sign of life any more is ended, and its session says why.
func TestHangs(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 2, r.says(d), func(a *Agent) { a.hangTime = 500 * time.Millisecond })
	hangs, quiet := r.session(), r.session()
	r.until(hangs, events.Ready)
	r.until(quiet, events.Ready) // an older one, that never gives any
	eventstest.Wait(t, patience, func() string {
		if len(d.running()) != 2 {
			return "two instances"
		}
		return ""
	})
	require.NoError(t, r.log.Beat(events.StreamerKey(region, hangs)))
	e := decoded[events.FailedData](t, r.until(hangs, events.Failed))
	require.Equal(t, events.FailedData{Agent: "a1", Attempt: 1, Part: "streamer", Cause: events.CauseHung, LogTail: "the last line",
		Reason: "the streamer gave no sign of life for 500ms: it hung, and was ended"}, e)
	require.Len(t, d.running(), 1)
	require.Empty(t, r.endings(quiet))
}

// While NATS is away nobody hangs.
func TestNobodyHangsInAnOutage(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, r.says(d), func(a *Agent) { a.hangTime = 2 * time.Second })
	id := r.session()
	r.until(id, events.Ready)
	require.NoError(t, r.log.Beat(events.StreamerKey(region, id)))
	r.server.Stop()
	back := time.Now().Add(6 * time.Second)
	eventstest.Wait(t, patience, func() string {
		if time.Now().Before(back) {
			return "the outage to last"
		}
		return ""
	})
	require.Len(t, d.running(), 1)
	r.server.Restart()
	r.append(id, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"})
	r.until(id, events.Terminated)
	require.Equal(t, []string{"agent.terminated"}, r.endings(id))
}

// What belongs to nobody is looked for again and again.
func TestJanitor(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, d, func(a *Agent) { a.janitorTime = 10 * time.Millisecond })
	eventstest.Wait(t, patience, func() string {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.sweeps < 3 {
			return fmt.Sprintf("the janitor, who has come %d times", d.sweeps)
		}
		return ""
	})
}
