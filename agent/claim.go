package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// pull takes work for one application while there is a free slot, until the context ends.
func (a *Agent) pull(ctx context.Context, app string) error {
	cons, err := a.consumer(ctx, app)
	if err != nil {
		return fmt.Errorf("agent: work for %s: %w", app, err)
	}
	for {
		if err := a.slots.wait(ctx); err != nil {
			return err
		}
		if err := a.rests.wait(ctx, app); err != nil {
			return err
		}
		if err := a.gate.wait(ctx); err != nil {
			return err
		}
		m, err := next(ctx, cons)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = a.cfg.Log.Again(m, 0) // somebody else's now; without the answer it comes after workAck
			}
			return fmt.Errorf("agent: work for %s: %w", app, ctx.Err())
		case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrNoMessages), errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			a.log.Warn("no work to be had from NATS, trying on", "app", app, "err", err)
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
			continue
		}
		a.take(ctx, m, app)
	}
}

// consumer makes sure of the work queue's consumer for an application. An outage of NATS is waited for: what runs here
// would end if the agent did.
func (a *Agent) consumer(ctx context.Context, app string) (jetstream.Consumer, error) {
	for {
		cons, err := a.cfg.Log.JetStream().CreateOrUpdateConsumer(ctx, events.WorkStream, jetstream.ConsumerConfig{
			Durable: events.WorkConsumer(a.cfg.Region, app), FilterSubject: events.WorkSubject(a.cfg.Region, app),
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: workAck,
		})
		if err == nil || !events.Unavailable(err) {
			return cons, err //nolint:wrapcheck // pull says what for
		}
		a.log.Warn("the work queue cannot be asked, trying on", "app", app, "err", err)
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// next waits for one message, pullWait at most.
func next(ctx context.Context, cons jetstream.Consumer) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	return cons.Next(jetstream.FetchContext(ctx)) //nolint:wrapcheck // pull asks what it is
}

// take claims the session that a message of the work queue for an application is about, and starts its run.
func (a *Agent) take(ctx context.Context, m jetstream.Msg, app string) {
	if a.gate.shut() || a.rests.left(app) > 0 || !a.slots.take() {
		_ = a.cfg.Log.Again(m, bounce) // without the answer it comes after workAck
		return
	}
	w, err := events.ParseWork(m.Data())
	if err != nil {
		a.slots.give()
		a.log.Error("a message of the work queue is none", "err", err)
		_ = a.cfg.Log.Refuse(m, "not a work message") // without the answer it comes after workAck
		return
	}
	s, err := a.claim(ctx, w.Session)
	switch {
	case errors.Is(err, errTaken), errors.Is(err, projections.ErrUnknownSession) && seen(m) >= unknownTries:
		a.slots.give()
		_ = a.cfg.Log.Done(m) // done by somebody else, or nothing to be done any more
	case err != nil:
		a.slots.give()
		a.log.Warn("claim failed, the session goes back to the queue", "session", w.Session, "err", err)
		_ = a.cfg.Log.Again(m, claimRetry)
	default:
		_ = a.cfg.Log.Done(m) // a claimed session that comes again is found taken
		a.start(s)
	}
}

// seen is how often a message was delivered, this time counted.
func seen(m jetstream.Msg) uint64 {
	meta, err := m.Metadata()
	if err != nil {
		return 0
	}
	return meta.NumDelivered
}

// errTaken means that a session needs no agent: it is claimed or over.
var errTaken = errors.New("agent: the session is taken or over")

// claim appends claimed, unless somebody was first. A session that is ours already and does not run is one whose claim
// was stored and its acknowledgement lost: it is taken as it is.
func (a *Agent) claim(ctx context.Context, id events.SessionID) (projections.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, workAck/2)
	defer cancel()
	var attempt int
	s, seq, err := projections.Decide(ctx, a.cfg.Log, a.cfg.Region, id, func(s projections.Session) (*events.Draft, error) {
		held := a.holds(id)
		switch {
		case s.Claimed && s.Agent == a.cfg.ID && s.Instance == "" && s.Live() && !held:
			attempt = s.Attempt
			return nil, nil
		case s.Claimed || s.Ended() || s.Status != projections.StatusCreated:
			return nil, errTaken
		case held:
			return nil, errors.New("agent: its last instance here is still ending")
		}
		attempt = s.Attempt + 1
		d := events.NewDraft(a.cfg.Region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: a.cfg.ID, Attempt: attempt, Driver: a.cfg.DriverName})
		return &d, nil
	})
	s.Attempt, s.Agent, s.Last = attempt, a.cfg.ID, max(s.Last, seq)
	return s, err
}

// start runs a claimed session.
func (a *Agent) start(s projections.Session) {
	a.begin(s, func(r *run) { r.run(a.life) })
}

// begin has a session that holds a slot run on a goroutine of its own, which drain waits for.
func (a *Agent) begin(s projections.Session, do func(*run)) {
	r := newRun(a, s)
	a.mu.Lock()
	a.running[s.ID] = r
	a.mu.Unlock()
	a.runs.Go(func() {
		defer a.pool.poke()
		defer a.slots.give()
		defer func() {
			a.mu.Lock()
			delete(a.running, s.ID)
			a.mu.Unlock()
		}()
		do(r)
	})
}

// holds tells whether a session runs here now.
func (a *Agent) holds(id events.SessionID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running[id] != nil
}

// watch tells the runs what the log says of their sessions, until the context ends. It calls begun when it has begun.
func (a *Agent) watch(ctx context.Context, begun func()) error {
	return a.cfg.Log.Follow(ctx, events.SessionsStream, []string{
		events.EventFilter(a.cfg.Region, events.Gateway, events.Terminating),
		events.EventFilter(a.cfg.Region, events.Gateway, events.AgentLost),
		events.EventFilter(a.cfg.Region, events.Gateway, events.Requeued),
		events.EventFilter(a.cfg.Region, events.Streamer, events.Ready),
	}, events.Start{New: true}, func(e events.Event) error {
		a.mu.Lock()
		r := a.running[e.Session]
		a.mu.Unlock()
		switch {
		case !e.Sound():
		case r != nil:
			r.tell(e)
		case e.Name == events.AgentLost:
			tell(a.lost)
		}
		return nil
	}, begun)
}
