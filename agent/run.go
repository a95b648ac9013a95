package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/projections"
)

// run is one claimed session, from its claim to its ending.
type run struct {
	a *Agent
	s projections.Session

	stop  chan struct{} // closed when the instance shall end
	ready chan struct{} // closed when the streamer is ready

	once struct{ stop, ready sync.Once }
	why  string // why it shall end; written before stop is closed

	// adopted tells that an earlier run of the agent launched the instance.
	adopted bool
	// warm tells that the instance had waited for the session.
	warm bool
	// requeued tells that the session went back to the queue: what has its name is the next attempt's.
	requeued atomic.Bool
}

func newRun(a *Agent, s projections.Session) *run {
	return &run{a: a, s: s, stop: make(chan struct{}), ready: make(chan struct{})}
}

// tell passes an event of the session on. What came before the claim was about an earlier instance.
func (r *run) tell(e events.Event) {
	if e.Sequence <= r.s.Last {
		return
	}
	switch e.Name {
	case events.Ready:
		r.once.ready.Do(func() { close(r.ready) })
	case events.Terminating:
		var d events.TerminatingData
		if e.Decode(&d) != nil || d.Reason == "" {
			d.Reason = "terminated"
		}
		r.requestStop(d.Reason)
	case events.AgentLost:
		r.requestStop("the agent was thought lost")
	case events.Requeued:
		r.requeued.Store(true)
		r.requestStop("the session went back to the queue")
	}
}

// requestStop asks for the orderly end; the first reason counts.
func (r *run) requestStop(why string) {
	r.once.stop.Do(func() {
		r.why = why
		close(r.stop)
	})
}

// run launches the instance, watches over it, and appends its ending.
func (r *run) run(ctx context.Context) {
	log := r.a.log.With("session", r.s.ID)
	log.Info("session claimed", "app", r.s.App)
	defer r.forget(ctx)
	pulse := r.a.listen(r.s.ID) // before there is a streamer: one that had waited gives its first sign of life at once, and may hang then
	defer pulse.end()
	inst, err := r.launch(ctx)
	if err != nil {
		if r.stopped() {
			r.terminated(ctx, r.why)
			return
		}
		log.Error("launch failed", "err", err)
		r.launchFailed(ctx, err)
		return
	}
	log.Info("instance launched", "attempt", r.s.Attempt)
	r.supervise(ctx, inst, pulse)
}

// stopped tells whether the end was asked for.
func (r *run) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// launch starts the instance, and gives up when the session is terminated meanwhile.
func (r *run) launch(ctx context.Context) (driver.Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.a.cfg.LaunchTime, launchTime))
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-r.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	// What was appended before this run was known to the watch.
	var s projections.Session
	if err := again(ctx, func() (err error) {
		s, _, err = projections.Load(ctx, r.a.cfg.Log, r.s.Region, r.s.ID)
		return err
	}); err != nil {
		return nil, err
	}
	if s.Status == projections.StatusTerminating || s.Ended() {
		r.requestStop(s.StatusMessage)
		return nil, errors.New("the session is over")
	}
	if s.Agent != r.a.cfg.ID || s.Attempt != r.s.Attempt {
		// We have been asleep. Its consumer is somebody else's too, and the failure is none of ours.
		r.requeued.Store(true)
		r.requestStop("the session is somebody else's by now")
		return nil, errors.New(r.why)
	}
	spec, err := r.spec(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := again(ctx, func() error { return r.consumer(ctx, s) }); err != nil {
		return nil, err
	}
	return r.launchOn(ctx, spec)
}

// tries is how often a launch asks the log for the same: where a gateway asks for the agent (package guard) and is killed over
// it, nobody answers, and the next one is asked.
const tries = 3

// again calls f, whose effect does not change when it is repeated, until the log has answered.
func again(ctx context.Context, f func() error) (err error) {
	for range tries {
		if err = f(); !errors.Is(err, events.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// forget removes the streamer's consumer, unless the next attempt may have made it anew.
func (r *run) forget(ctx context.Context) {
	if r.requeued.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	if err := r.deleteConsumer(ctx); err != nil {
		r.a.log.Warn("a streamer's consumer is left, the server removes it", "session", r.s.ID, "err", err)
	}
}

func (r *run) deleteConsumer(ctx context.Context) error {
	err := r.a.cfg.Log.JetStream().DeleteConsumer(ctx, events.SessionsStream, events.SessionConsumer(r.s.ID))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("consumer of the streamer: %w", err)
	}
	return nil
}

// supervise waits for whatever ends the instance, ends it, and appends why.
func (r *run) supervise(ctx context.Context, inst driver.Instance, pulse *pulse) {
	late := time.NewTimer(r.a.readyTime)
	defer late.Stop()
	if r.adopted {
		pulse.begin() // it may hang since before we came
	}
	ready := r.ready
	for {
		select {
		case <-ready:
			ready = nil
			late.Stop()
			r.a.rests.worked(r.s.App)
		case <-r.stop:
			r.end(ctx, inst)
			r.terminated(ctx, r.why)
			return
		case <-pulse.beats:
			pulse.begin()
		case <-pulse.late.C:
			if pulse.hangs() {
				r.end(ctx, inst)
				r.failed(ctx, pulse.hung(inst.Ending().LogTail))
				return
			}
		case <-late.C:
			r.end(ctx, inst)
			r.attemptFailed(ctx, events.FailedData{Part: string(driver.PartStreamer), Cause: events.CauseDeadline,
				Reason: fmt.Sprintf("the streamer was not ready within %s", r.a.readyTime), LogTail: inst.Ending().LogTail})
			return
		case <-inst.Done():
			r.over(ctx, inst.Ending(), ready == nil)
			return
		}
	}
}

// end stops the instance.
func (r *run) end(ctx context.Context, inst driver.Instance) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := inst.Stop(ctx); err != nil {
		r.a.log.Error("instance did not end in order", "session", r.s.ID, "err", err)
	}
}

// over appends the ending of an instance that ended by itself. One that never was ready is tried again, unless its
// application is to blame, which would do the same elsewhere.
func (r *run) over(ctx context.Context, e driver.Ending, wasReady bool) {
	if !e.Failed {
		r.terminated(ctx, e.Reason)
		return
	}
	d := events.FailedData{Part: string(e.Part), Cause: events.CauseDied, Reason: e.Reason, Signal: e.Signal, LogTail: e.LogTail}
	if e.ExitCode >= 0 {
		d.ExitCode = &e.ExitCode
	}
	if e.OutOfMemory {
		d.Cause = events.CauseMemory
		r.failed(ctx, d) // it would do the same elsewhere
		return
	}
	if !wasReady && e.Part != driver.PartApplication {
		r.attemptFailed(ctx, d)
		return
	}
	r.failed(ctx, d)
}

func (r *run) failed(ctx context.Context, d events.FailedData) {
	d.Agent = r.a.cfg.ID
	r.ending(ctx, func(s projections.Session) events.Draft {
		d.Attempt = s.Attempt
		return events.NewDraft(s.Region, s.ID, events.Agent, events.Failed, d)
	})
}

func (r *run) terminated(ctx context.Context, why string) {
	r.ending(ctx, func(s projections.Session) events.Draft {
		return events.NewDraft(s.Region, s.ID, events.Agent, events.Terminated, events.EndedData{Agent: r.a.cfg.ID, Attempt: s.Attempt, Reason: why})
	})
}

// ending appends the session's one ending, or this attempt's, unless it has one or is another attempt's by now, and tries again while
// NATS is away: until it is in the log, or until the agent has drained for too long.
func (r *run) ending(ctx context.Context, draft func(projections.Session) events.Draft) {
	for {
		theirs := false
		_, _, err := projections.Decide(ctx, r.a.cfg.Log, r.s.Region, r.s.ID, func(s projections.Session) (*events.Draft, error) {
			if mine := s.Agent == r.a.cfg.ID && s.Attempt == r.s.Attempt; s.Ended() || !mine {
				theirs = !s.Ended()
				return nil, nil
			}
			d := draft(s)
			return &d, nil
		})
		if err == nil {
			if theirs { // and so is the consumer
				r.requeued.Store(true)
			}
			r.a.log.Info("session ended", "session", r.s.ID)
			return
		}
		if errors.Is(err, projections.ErrUnknownSession) || errors.Is(err, events.ErrTooLarge) {
			r.a.log.Error("ending not recorded", "session", r.s.ID, "err", err)
			return
		}
		r.a.log.Warn("ending not recorded, trying again", "session", r.s.ID, "err", err)
		if pause(ctx, appendRetry) != nil {
			r.a.log.Error("ending not recorded; the gateway will find the session lost", "session", r.s.ID)
			return
		}
	}
}
