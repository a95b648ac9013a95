package webhook

import (
	"context"
	"errors"
	"time"

	"streamstack/events"
)

// errEnough ends the reading of a parked session's next events.
var errEnough = errors.New("enough")

// job runs work for a lane, and what it returns on loop's goroutine.
func (t *tenure) job(ctx context.Context, l *lane, work func(context.Context) func()) {
	if t.ended {
		return
	}
	l.busy = true
	t.lanes.busy++
	t.jobs.Go(func() {
		apply := work(ctx)
		t.results <- func() {
			l.busy = false
			t.lanes.busy--
			apply()
			t.lanes.settle(l)
		}
	})
}

// post attempts the first event of a lane.
func (t *tenure) post(ctx context.Context, l *lane) {
	e, parked := l.items[0].event, l.parked
	t.job(ctx, l, func(ctx context.Context) func() {
		secrets, err := t.secrets()
		if err == nil {
			err = t.sender.send(ctx, t.hook.URL, secrets, e)
		}
		if err == nil && parked {
			if err := t.store.saveCursor(ctx, e.Session, cursor{Region: e.Region, From: e.Sequence + 1}); err != nil {
				t.logger.Debug("cursor not kept, the event may be delivered again", "session", e.Session, "err", err)
			}
		}
		return func() { t.posted(ctx, l, e, err) }
	})
}

func (t *tenure) posted(ctx context.Context, l *lane, e events.Event, err error) {
	now := time.Now()
	if err == nil {
		if ack := t.lanes.succeeded(l); ack != "" {
			t.ack(ack, ackDone)
		}
		t.cond.LastSuccess = now.UTC()
		return
	}
	if ctx.Err() != nil {
		return // cut off; nobody knows what became of it
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{reason: err.Error()}
	}
	t.lanes.failed(l, now, f.after)
	t.cond.LastError, t.cond.LastErrorAt = f.reason, now.UTC()
	t.logger.Debug("webhook not delivered", "session", e.Session, "sequence", e.Sequence, "why", f.reason, "in_a_row", t.lanes.failures)
}

// park keeps a cursor for a lane, and only then lets go of its events.
func (t *tenure) park(ctx context.Context, l *lane) {
	c := cursor{Region: l.region, From: l.head(), Attempts: l.attempts}
	t.job(ctx, l, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, t.times.call)
		defer cancel()
		err := t.store.saveCursor(ctx, l.session, c)
		return func() {
			if err != nil {
				t.putOff(l, "session not parked", err)
				return
			}
			for _, ack := range t.lanes.park(l) {
				t.ack(ack, ackDone)
			}
			t.logger.Info("session parked: its deliveries fail by themselves", "session", l.session, "from", c.From)
		}
	})
}

// refill reads what a parked session has next; if that is nothing, its parking ends. What the consumer has not brought
// yet is left to it.
func (t *tenure) refill(ctx context.Context, l *lane) {
	from, seen := l.from, l.seen
	t.job(ctx, l, func(ctx context.Context) func() {
		var list []events.Event
		err := t.log.ReadThrough(ctx, events.SessionsStream, events.SessionFilter(l.region, l.session), from, seen, func(e events.Event) error {
			if e.Sequence > seen || len(list) == refill {
				return errEnough
			}
			if t.hook.match(e) {
				list = append(list, e)
			}
			return nil
		})
		return func() {
			switch {
			case err != nil && !errors.Is(err, errEnough):
				t.putOff(l, "parked session not read", err)
			case len(list) == 0 && l.seen == seen:
				t.unpark(ctx, l)
			default:
				l.filled(list)
			}
		}
	})
}

// unpark forgets a cursor that has caught up. What comes meanwhile waits in the lane, and is delivered after that. Whether
// it was forgotten is not known after an error; until it surely was, nothing relies on it.
func (t *tenure) unpark(ctx context.Context, l *lane) {
	l.leaving = true
	t.job(ctx, l, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, t.times.call)
		defer cancel()
		err := t.store.dropCursor(ctx, l.session)
		return func() {
			if err != nil {
				t.putOff(l, "session not unparked", err)
				return
			}
			t.lanes.unpark(l)
			t.logger.Info("parked session has caught up", "session", l.session)
		}
	})
}

// putOff tries a lane again later, for a reason that is not the endpoint's.
func (t *tenure) putOff(l *lane, what string, err error) {
	l.due = time.Now().Add(t.times.firstRetry)
	t.logger.Warn(what, "session", l.session, "err", err)
}
