package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// requeue does what a gateway does with attempts that failed: it puts the session into the queue again.
func (r *rig) requeue() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	begun, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		_ = r.log.Follow(ctx, events.SessionsStream, []string{events.EventFilter(region, events.Agent, events.AttemptFailed)}, events.Start{New: true},
			func(e events.Event) error {
				m, err := events.Work{Session: e.Session, Attempt: 2}.Message(region, "xterm")
				if err != nil {
					return err
				}
				_, err = r.log.JetStream().PublishMsg(ctx, m)
				return err
			}, func() {
				select {
				case begun <- struct{}{}:
				default:
				}
			})
	}()
	<-begun
	r.t.Cleanup(func() { cancel(); <-done })
}

// attempts waits for the session's ending, and returns the causes of its attempts in order.
func (r *rig) attempts(id events.SessionID) (causes []string, last events.FailedData) {
	r.t.Helper()
	r.until(id, events.Failed)
	_, list := r.history(id)
	for _, e := range list {
		if e.Name == events.AttemptFailed || e.Name == events.Failed {
			last = decoded[events.FailedData](r.t, e)
			causes = append(causes, last.Cause)
		}
	}
	return causes, last
}

// A session whose instance cannot be started goes back to the queue twice, and then has failed; each with its own cause.
func TestAttempts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		cause string
		tries int
	}{
		"anything":       {errors.New("no luck"), events.CauseLaunch, projections.MaxAttempts},
		"the host":       {driver.Because(driver.ErrFull, "no room: %w", syscall.ENOSPC), events.CauseFull, projections.MaxAttempts},
		"its program":    {driver.Because(driver.ErrMissing, "no such program"), events.CauseMissing, projections.MaxAttempts},
		"the engine":     {driver.Because(driver.ErrAway, "connection refused"), events.CauseAway, projections.MaxAttempts},
		"the session":    {driver.Because(driver.ErrRefused, "too much"), events.CauseRefused, 1},
		"its long start": {driver.Because(context.DeadlineExceeded, "20 s have passed"), events.CauseDeadline, projections.MaxAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			r.requeue()
			d.launching = func(context.Context, driver.Spec) error { return c.err }
			r.start("a1", 1, d)
			id := r.session()
			causes, last := r.attempts(id)
			require.Len(t, causes, c.tries)
			for _, cause := range causes {
				require.Equal(t, c.cause, cause)
			}
			require.Equal(t, events.FailedData{Agent: "a1", Attempt: c.tries, Part: "launch", Cause: c.cause,
				Reason: "the instance could not be started: " + c.err.Error()}, last)
			require.Len(t, r.endings(id), 1)
			require.Empty(t, d.running())
		})
	}
}

// What one agent cannot launch, another can; and the one that failed does not take all the work meanwhile.
func TestAnotherAgentDoesBetter(t *testing.T) {
	t.Parallel()
	const n = 20
	r := newRig(t)
	r.requeue()
	broken, sound := newMemory(), r.says(newMemory())
	broken.launching = func(context.Context, driver.Spec) error { return driver.Because(driver.ErrFull, "no space left") }
	r.start("broken", n, broken)
	r.start("sound", n, sound)
	for range n {
		id := r.session()
		r.until(id, events.Ready)
		require.Empty(t, r.endings(id))
	}
	require.Len(t, sound.running(), n)
	require.Empty(t, broken.running())
}

// NATS is away while the instance starts: nothing of it is left, and the session is tried again when NATS is back.
func TestOutageDuringTheLaunch(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	begun, away := make(chan struct{}), make(chan struct{})
	first := true
	d.launching = func(context.Context, driver.Spec) error {
		if first {
			first = false
			close(begun)
			<-away
		}
		return nil
	}
	cfg, nc := r.config("a1", 1, r.says(d))
	cfg.LaunchTime = 5 * time.Second // the end of NATS and more
	r.run(cfg, nc)
	id := r.session()
	<-begun
	r.server.Stop()
	close(away)
	eventstest.Wait(t, patience, nothingRuns(d))
	r.server.Restart()
	failed := decoded[events.FailedData](t, r.until(id, events.AttemptFailed))
	require.Equal(t, events.CauseLog, failed.Cause, failed.Reason)
	r.queue(id, "xterm")
	r.until(id, events.Ready)
	require.Empty(t, r.endings(id))
}

// A streamer that ends before it was ready is tried again; an application that does would do the same elsewhere.
func TestEndsBeforeItIsReady(t *testing.T) {
	t.Parallel()
	for part, again := range map[driver.Part]bool{driver.PartStreamer: true, driver.PartDisplay: true, driver.PartInstance: true, driver.PartApplication: false} {
		t.Run(string(part), func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			d.launched = func(in *memoryInstance) {
				in.end(driver.Ending{Part: part, Failed: true, Reason: "it exited with status 3", ExitCode: 3})
			}
			r.start("a1", 1, d)
			id := r.session()
			name := events.Failed
			if again {
				name = events.AttemptFailed
			}
			e := decoded[events.FailedData](t, r.until(id, name))
			require.Equal(t, events.CauseDied, e.Cause)
			require.Equal(t, 3, *e.ExitCode)
			require.Equal(t, again, len(r.endings(id)) == 0)
		})
	}
}

// The session's end is asked for while its launch fails: it has ended, as was asked, and is not tried again.
func TestTerminatedWhileTheLaunchFails(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	id := r.create()
	d.launching = func(context.Context, driver.Spec) error { //nolint:contextcheck // the event is not the launch's
		r.append(id, events.Gateway, events.Terminating, events.TerminatingData{By: "client", Reason: "deleted by kim"})
		return errors.New("no luck")
	}
	r.start("a1", 1, d)
	r.queue(id, "xterm")
	require.Equal(t, "deleted by kim", decoded[events.EndedData](t, r.until(id, events.Terminated)).Reason)
	require.Equal(t, []string{"agent.terminated"}, r.endings(id))
}

// An agent sleeps between its claim and the launch, and another one has the session when it wakes: it launches nothing, leaves the
// other's streamer its consumer, and does not count that as a failure of its own.
func TestWakesWhenTheSessionIsAnothers(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	a := r.start("a1", 1, d)
	id := r.create()
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
	mine, _, err := projections.Load(t.Context(), r.log, region, id)
	require.NoError(t, err)
	r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "its launch took too long"})
	r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a2", Attempt: 2})
	theirs, _, err := projections.Load(t.Context(), r.log, region, id)
	require.NoError(t, err)
	require.NoError(t, newRun(a.Agent, theirs).consumer(t.Context(), theirs))
	newRun(a.Agent, mine).run(t.Context())
	require.Zero(t, d.launches())
	require.Contains(t, r.consumers(), events.SessionConsumer(id))
	require.Zero(t, a.rests.left("xterm"))
	words, _ := r.history(id)
	require.Equal(t, []string{"gateway.created", "agent.claimed", "gateway.requeued", "agent.claimed"}, words)
}

// While a launch fails, and before that is known here, the session goes back to the queue and another agent launches it: its streamer
// keeps its consumer, which has the same name, and the session the ending that is still to come.
func TestFailsWhenTheSessionIsAnothers(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"to be tried again": errors.New("no luck"),
		"for good":          driver.Because(driver.ErrRefused, "too much"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRig(t), newMemory()
			a := r.start("a1", 1, d)
			id := r.create()
			r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1})
			mine, _, err := projections.Load(t.Context(), r.log, region, id)
			require.NoError(t, err)
			other := func() { // what goes on elsewhere
				r.append(id, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "its launch took too long"})
				r.append(id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a2", Attempt: 2})
				theirs, _, err := projections.Load(t.Context(), r.log, region, id)
				require.NoError(t, err)
				require.NoError(t, newRun(a.Agent, theirs).consumer(t.Context(), theirs))
			}
			d.launching = func(context.Context, driver.Spec) error {
				other()
				return why
			}
			newRun(a.Agent, mine).run(t.Context()) // nobody tells it
			require.Contains(t, r.consumers(), events.SessionConsumer(id))
			words, _ := r.history(id)
			require.Equal(t, []string{"gateway.created", "agent.claimed", "gateway.requeued", "agent.claimed"}, words)
		})
	}
}

// Who has failed leaves no consumer: the next attempt removes what the last one's streamer had, and the last of all its own.
func TestNoConsumerIsLeft(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	r.requeue()
	d.launching = func(context.Context, driver.Spec) error { return errors.New("no luck") }
	a := r.start("a1", 1, d)
	id := r.session()
	r.attempts(id)
	a.drained(t)
	require.NotContains(t, r.consumers(), events.SessionConsumer(id))
}

func TestRests(t *testing.T) {
	r := newRests()
	require.Zero(t, r.left("xterm"))
	r.failed("xterm")
	require.Greater(t, r.left("xterm"), restFirst/2)
	require.Zero(t, r.left("glxgears"))
	r.failed("xterm")
	require.Greater(t, r.left("xterm"), restFirst)
	r.failed(everything)
	require.NotZero(t, r.left("glxgears"))
	for range 20 {
		r.failed("xterm")
	}
	require.LessOrEqual(t, r.left("xterm"), restMost)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.wait(ctx, "xterm"), context.DeadlineExceeded)
	r.worked("xterm")
	require.NoError(t, r.wait(t.Context(), "xterm"))
	require.Equal(t, events.CauseLaunch, causeOf(fmt.Errorf("x: %w", driver.ErrExists)))
}
