package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/projections"
)

// restFirst and restMost are how long an agent takes no work of the kind that it has just failed at; the time doubles with
// each failure and is forgotten with a success. Without it an agent on a broken host would be the fastest of all, and fail
// session after session while others have room.
const restFirst, restMost = time.Second, 30 * time.Second

// causeOf tells what kind of failure an error of a launch is, for programs.
func causeOf(err error) string {
	for _, c := range []struct {
		is    error
		cause string
	}{
		{driver.ErrRefused, events.CauseRefused}, {driver.ErrFull, events.CauseFull}, {driver.ErrMissing, events.CauseMissing},
		{driver.ErrAway, events.CauseAway}, {events.ErrUnavailable, events.CauseLog}, {context.DeadlineExceeded, events.CauseDeadline},
	} {
		if errors.Is(err, c.is) {
			return c.cause
		}
	}
	return events.CauseLaunch
}

// launchFailed ends an attempt whose instance could not be started.
func (r *run) launchFailed(ctx context.Context, err error) {
	d := events.FailedData{Part: "launch", Cause: causeOf(err), Reason: "the instance could not be started: " + err.Error()}
	if d.Cause == events.CauseRefused {
		r.failed(ctx, d)
		return
	}
	r.attemptFailed(ctx, d)
}

// attemptFailed ends an attempt that never became ready, where another agent, or this one after a rest, may do better: the
// session goes back to the queue. After the last attempt it has failed.
func (r *run) attemptFailed(ctx context.Context, d events.FailedData) {
	r.a.rests.failed(restKey(r.s.App, d.Cause))
	d.Agent = r.a.cfg.ID
	again := false
	r.ending(ctx, func(s projections.Session) events.Draft {
		d.Attempt = s.Attempt
		again = s.Status != projections.StatusTerminating && s.Attempt < projections.MaxAttempts && (s.Ready == nil || d.Part == "launch") // the streamer starts before the application
		switch {
		case s.Status == projections.StatusTerminating:
			return events.NewDraft(s.Region, s.ID, events.Agent, events.Terminated, events.EndedData{Agent: d.Agent, Attempt: d.Attempt, Reason: s.StatusMessage})
		case again:
			return events.NewDraft(s.Region, s.ID, events.Agent, events.AttemptFailed, d)
		default:
			return events.NewDraft(s.Region, s.ID, events.Agent, events.Failed, d)
		}
	})
	if again { // the consumer may be the next attempt's since the event was appended; that one also removes what it finds
		r.requeued.Store(true)
	}
}

// everything is the kind of work of an agent whose host or engine is the trouble.
const everything = ""

// restKey is what an agent rests from: an application that fails may be the only one.
func restKey(app, cause string) string {
	switch cause {
	case events.CauseFull, events.CauseAway, events.CauseLog:
		return everything
	default:
		return app
	}
}

// rests are the kinds of work, by application or [everything], that an agent leaves to others for a while.
type rests struct {
	mu   sync.Mutex
	from map[string]rest
}

type rest struct {
	until time.Time
	next  time.Duration
}

func newRests() *rests { return &rests{from: map[string]rest{}} }

// failed begins a rest, longer than the last.
func (r *rests) failed(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.from[key]
	is.next = min(max(2*is.next, restFirst), restMost)
	is.until = time.Now().Add(is.next)
	r.from[key] = is
}

// worked forgets the failures of an application, and those of the host: a session of it has become ready.
func (r *rests) worked(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.from, app)
	delete(r.from, everything)
}

// left is how long work for an application is still left to others; 0 for not at all.
func (r *rests) left(app string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, time.Until(r.from[app].until), time.Until(r.from[everything].until))
}

// wait returns when there is no rest from an application.
func (r *rests) wait(ctx context.Context, app string) error {
	for {
		left := r.left(app)
		if left == 0 {
			return nil
		}
		if err := pause(ctx, left); err != nil {
			return err
		}
	}
}
