package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
)

func nothingRuns(d *memory) func() string {
	return func() string {
		if n := len(d.running()); n > 0 {
			return fmt.Sprintf("%d instances to end", n)
		}
		return ""
	}
}

// Whenever the session's end is asked for, its instance ends and terminated gives that reason, once.
func TestTerminating(t *testing.T) {
	t.Parallel()
	terminate := func(r *rig, id events.SessionID) {
		r.append(id, events.Gateway, events.Terminating, events.TerminatingData{By: "account:a", Reason: "deleted by a"})
	}
	for name, prepare := range map[string]func(*rig, *memory) (wait func(events.SessionID)){
		"while display and sound start": func(_ *rig, d *memory) func(events.SessionID) {
			begun := make(chan struct{})
			d.launching = func(ctx context.Context, _ driver.Spec) error {
				close(begun)
				<-ctx.Done()
				return ctx.Err()
			}
			return func(events.SessionID) { <-begun }
		},
		"before the launch is looked at": func(r *rig, d *memory) func(events.SessionID) {
			return func(id events.SessionID) { r.until(id, events.Claimed) }
		},
		"launched": func(r *rig, d *memory) func(events.SessionID) {
			return func(id events.SessionID) { r.until(id, events.Launched) }
		},
		"ready": func(r *rig, d *memory) func(events.SessionID) {
			r.says(d)
			return func(id events.SessionID) { r.until(id, events.Ready) }
		},
		"twice": func(r *rig, d *memory) func(events.SessionID) {
			r.says(d)
			return func(id events.SessionID) { r.until(id, events.Ready); terminate(r, id) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			wait := prepare(r, d)
			a := r.start("a1", 1, d)
			id := r.session()
			wait(id)
			terminate(r, id)
			e := decoded[events.EndedData](t, r.until(id, events.Terminated))
			require.Equal(t, events.EndedData{Agent: "a1", Attempt: 1, Reason: "deleted by a"}, e)
			eventstest.Wait(t, patience, nothingRuns(d))
			a.drained(t)
			require.Equal(t, []string{"agent.terminated"}, r.endings(id))
		})
	}
}

// An instance that ends by itself: in order, or with what a person needs to understand it.
func TestInstanceEndsByItself(t *testing.T) {
	t.Parallel()
	code := 3
	for name, c := range map[string]struct {
		ending driver.Ending
		want   any
	}{
		"in order": {
			driver.Ending{Part: driver.PartApplication, Reason: "the application ended by itself"},
			events.EndedData{Agent: "a1", Attempt: 1, Reason: "the application ended by itself"},
		},
		"with a status": {
			driver.Ending{Part: driver.PartApplication, Failed: true, Reason: "the application exited with status 3", ExitCode: 3, LogTail: "the disk is on fire"},
			events.FailedData{Agent: "a1", Attempt: 1, Part: "application", Cause: events.CauseDied, Reason: "the application exited with status 3", ExitCode: &code, LogTail: "the disk is on fire"},
		},
		"by a signal": {
			driver.Ending{Part: driver.PartDisplay, Failed: true, Reason: "the X server crashed", ExitCode: -1, Signal: "segmentation fault"},
			events.FailedData{Agent: "a1", Attempt: 1, Part: "display", Cause: events.CauseDied, Reason: "the X server crashed", Signal: "segmentation fault"},
		},
		"for its memory": {
			driver.Ending{Part: driver.PartApplication, Failed: true, OutOfMemory: true, Reason: "the instance used more memory than it is allowed", ExitCode: -1},
			events.FailedData{Agent: "a1", Attempt: 1, Part: "application", Cause: events.CauseMemory, Reason: "the instance used more memory than it is allowed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			r.start("a1", 1, r.says(d))
			id := r.session()
			r.until(id, events.Ready)
			d.running()[0].end(c.ending)
			if want, ok := c.want.(events.FailedData); ok {
				require.Equal(t, want, decoded[events.FailedData](t, r.until(id, events.Failed)))
			} else {
				require.Equal(t, c.want, decoded[events.EndedData](t, r.until(id, events.Terminated)))
			}
			require.Len(t, r.endings(id), 1)
		})
	}
}

func TestStreamerNotReadyInTime(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, d, func(a *Agent) { a.readyTime = 200 * time.Millisecond })
	id := r.session()
	e := decoded[events.FailedData](t, r.until(id, events.AttemptFailed))
	require.Equal(t, "streamer", e.Part)
	require.Equal(t, events.CauseDeadline, e.Cause)
	require.Equal(t, "the streamer was not ready within 200ms", e.Reason)
	require.Equal(t, "the last line", e.LogTail)
	eventstest.Wait(t, patience, nothingRuns(d))
}

// A streamer that is ready in time is not ended for it later; nor is one that said so while the launch still went on.
func TestStreamerReadyInTime(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 1, r.says(d), func(a *Agent) { a.readyTime = 4 * time.Second })
	id := r.session()
	r.until(id, events.Ready)
	later := time.Now().Add(6 * time.Second)
	eventstest.Wait(t, patience, func() string {
		if time.Now().Before(later) {
			return "the time to pass"
		}
		return ""
	})
	require.Len(t, d.running(), 1)
	require.Empty(t, r.endings(id))
}

// When others have given the session away, its instance ends, and no second ending is written.
func TestTheSessionWasTakenAway(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]events.Name{"agent_lost": events.AgentLost, "requeued": events.Requeued} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			a := r.start("a1", 1, r.says(d))
			id := r.session()
			r.until(id, events.Ready)
			before := len(r.endings(id))
			r.append(id, events.Gateway, n, events.EndedData{Agent: "a1", Attempt: 1, Reason: "silence"})
			eventstest.Wait(t, patience, nothingRuns(d))
			r.until(r.session(), events.Ready) // the slot is free, so the run is over
			a.drained(t)
			after := r.endings(id)
			if n == events.AgentLost {
				require.Equal(t, []string{"gateway.agent_lost"}, after)
			} else {
				require.Len(t, after, before)
			}
		})
	}
}

// The next attempt's streamer reads the session from its start, whatever the one before has read, and whoever claims it.
func TestTheNextAttemptReadsFromTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d1, d2 := r.says(newMemory()), r.says(newMemory())
	r.start("a1", 1, d1)
	id := r.session()
	r.until(id, events.Ready)
	old := d1.running()[0]
	read := func() uint64 {
		cons, err := r.log.JetStream().Consumer(t.Context(), events.SessionsStream, events.SessionConsumer(id))
		require.NoError(t, err)
		m, err := cons.Next(jetstream.FetchMaxWait(patience))
		require.NoError(t, err)
		require.NoError(t, m.DoubleAck(t.Context()))
		meta, err := m.Metadata()
		require.NoError(t, err)
		return meta.Sequence.Stream
	}
	first := read()
	require.Greater(t, read(), first)
	r.start("a2", 1, d2)
	r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "no streamer"})
	r.queue(id, "xterm")
	eventstest.Wait(t, patience, func() string {
		if in := append(d1.running(), d2.running()...); len(in) != 1 || in[0] == old {
			return "the instance of the next attempt, and it alone"
		}
		return ""
	})
	require.Equal(t, first, read())
}

// A session that goes back to the queue is not launched beside its old instance.
func TestRequeuedToTheSameAgent(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.start("a1", 2, r.says(d))
	id := r.session()
	r.until(id, events.Ready)
	old := d.running()[0]
	r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 2, Reason: "released"})
	r.queue(id, "xterm")
	eventstest.Wait(t, patience, func() string {
		if in := d.running(); len(in) != 1 || in[0] == old {
			return "the new instance"
		}
		return ""
	})
	require.Empty(t, r.endings(id))
	d.running()[0].end(driver.Ending{Reason: "the application ended"})
	require.Equal(t, 2, decoded[events.EndedData](t, r.until(id, events.Terminated)).Attempt)
}
