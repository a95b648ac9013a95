package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// A session comes back to an agent whose launch of it has not ended yet: it is not claimed, let alone launched, beside that.
func TestRequeuedWhileItsLaunchStillEnds(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	begun, release := make(chan struct{}), make(chan struct{})
	first := true
	d.launching = func(ctx context.Context, _ driver.Spec) error {
		if !first {
			return nil
		}
		first = false
		close(begun)
		<-release // an engine that takes its time, whatever is asked of it
		return ctx.Err()
	}
	r.start("a1", 2, r.says(d))
	id := r.session()
	<-begun
	r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "its launch took too long"})
	r.queue(id, "xterm")
	work, err := r.log.JetStream().Consumer(t.Context(), events.WorkStream, events.WorkConsumer(region, "xterm"))
	require.NoError(t, err)
	eventstest.Wait(t, patience, func() string {
		info, err := work.Info(t.Context())
		if err != nil {
			return err.Error()
		}
		if info.Delivered.Consumer < 3 {
			return fmt.Sprintf("the second look at the work; %d were delivered", info.Delivered.Consumer)
		}
		return ""
	})
	words, _ := r.history(id)
	require.Equal(t, []string{"gateway.created", "agent.claimed", "gateway.requeued"}, words)
	close(release)
	r.until(id, events.Ready)
	words, _ = r.history(id)
	require.Equal(t, []string{"gateway.created", "agent.claimed", "gateway.requeued", "agent.claimed", "agent.launched", "streamer.ready"}, words)
}

// The end of a session is asked for between its claim and its launch, when nobody listens for it yet: nothing is launched.
func TestTerminatedBeforeItsLaunch(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, d)
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	r.append(id, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted by kim"})
	r.queue(id, "xterm")
	require.Equal(t, events.EndedData{Agent: "a1", Attempt: 1, Reason: "deleted by kim"}, decoded[events.EndedData](t, r.until(id, events.Terminated)))
	require.Zero(t, d.launches())
}

// What an engine went on to start after its agent had died in the midst of a launch is no session's: the log says of none that it was
// launched. It is ended, and the session launched anew.
func TestTakesNoHalfLaunchOver(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	d.left = []string{string(id)}
	cfg, nc := r.config("a1", 1, r.says(d))
	cfg.Adopt = true
	r.run(cfg, nc)
	require.Empty(t, d.running())
	r.queue(id, "xterm")
	r.until(id, events.Ready)
	require.Equal(t, 2, d.launches())
}

// A streamer that hangs since before its agent came back is found out without a sign of life.
func TestHangsWhenTheAgentIsBack(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	id := r.held("a1", true)
	d.left = []string{string(id)}
	cfg, nc := r.config("a1", 1, d)
	cfg.Adopt, cfg.HangTime = true, 500*time.Millisecond
	r.run(cfg, nc)
	require.Equal(t, events.CauseHung, decoded[events.FailedData](t, r.until(id, events.Failed)).Cause)
	require.Empty(t, d.running())
}

// A run listens to what comes after its claim: an earlier attempt's streamer was ready, this one's is not.
func TestARunIsToldOfItsOwnAttempt(t *testing.T) {
	t.Parallel()
	over := func(c chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	r := newRun(&Agent{cfg: Config{ID: "a1"}}, projections.Session{Last: 7, Attempt: 2, Agent: "a1", Claimed: true})
	r.tell(events.Event{Sequence: 7, Actor: events.Streamer, Name: events.Ready})
	r.tell(events.Event{Sequence: 6, Actor: events.Gateway, Name: events.Requeued})
	require.False(t, over(r.ready) || over(r.stop) || r.requeued.Load())
	r.tell(events.Event{Sequence: 8, Actor: events.Streamer, Name: events.Ready})
	require.True(t, over(r.ready))
	r.catchUp(projections.Session{Status: projections.StatusActive, Attempt: 3, Agent: "a2", Claimed: true})
	require.True(t, over(r.stop) && r.requeued.Load(), "another's by now, and its consumer too")
}
