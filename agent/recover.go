package agent

import (
	"context"
	"errors"
	"fmt"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/projections"
)

// recover finds what an earlier run of this agent that died has left. With [Config.Adopt] it takes over the instances whose
// sessions still want them, and returns these; it ends all others, and the sessions in the log that have none.
func (a *Agent) recover(ctx context.Context) ([]driver.Instance, error) {
	found, err := a.adoptable(ctx)
	if err != nil {
		return nil, err
	}
	orphans, err := a.cfg.Driver.Sweep(ctx)
	if err != nil {
		return nil, err
	}
	if len(orphans) > 0 {
		a.log.Warn("ended what an earlier run left behind", "instances", len(orphans))
	}
	held, err := a.held(ctx)
	if err != nil {
		return nil, err
	}
	var kept []driver.Instance
	for _, inst := range found {
		id := events.SessionID(inst.ID())
		if held[id] {
			delete(held, id)
			kept = append(kept, inst)
			continue
		}
		a.log.Warn("an instance outlived its session, it is ended", "session", id)
		if err := a.endInstance(ctx, inst); err != nil {
			return nil, err
		}
	}
	for id := range held {
		if err := a.disown(ctx, id); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// adoptable takes over the instances that the driver finds, if they are to outlive an agent.
func (a *Agent) adoptable(ctx context.Context) ([]driver.Instance, error) {
	d, able := a.cfg.Driver.(driver.Adopter)
	if !able || !a.cfg.Adopt {
		return nil, nil
	}
	found, err := d.Adopt(ctx)
	if err != nil {
		return nil, fmt.Errorf("agent: take over what runs: %w", err)
	}
	return found, nil
}

// held are the sessions that an earlier run of this agent held and that have not ended since, as the agents' events say; a
// gateway may have ended one, which is looked up when it is acted on.
func (a *Agent) held(ctx context.Context) (map[events.SessionID]bool, error) {
	open := map[events.SessionID]bool{}
	err := a.cfg.Log.Read(ctx, events.SessionsStream, events.EventFilter(a.cfg.Region, events.Agent, "*"), 0, func(e events.Event) error {
		switch {
		case !e.Sound():
		case e.Name == events.Claimed && claimant(e) == a.cfg.ID:
			open[e.Session] = true
		case e.Name == events.Claimed, e.Name == events.AttemptFailed, events.Ending(e.Name):
			delete(open, e.Session)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("agent: read the log: %w", err)
	}
	return open, nil
}

// endInstance stops an instance that no run is for.
func (a *Agent) endInstance(ctx context.Context, inst driver.Instance) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	return inst.Stop(ctx)
}

// takeOver begins the runs of instances that were adopted. The watch must have begun.
func (a *Agent) takeOver(ctx context.Context, kept []driver.Instance) error {
	for _, inst := range kept {
		s, _, err := projections.Load(ctx, a.cfg.Log, a.cfg.Region, events.SessionID(inst.ID()))
		if err != nil {
			return fmt.Errorf("agent: take over %s: %w", inst.ID(), err)
		}
		if s.Ended() || !s.Claimed || s.Agent != a.cfg.ID || s.Instance == "" {
			a.log.Warn("an instance outlived its session, it is ended", "session", s.ID)
			if err := a.endInstance(ctx, inst); err != nil {
				return err
			}
			continue
		}
		a.slots.seize()
		a.begin(s, func(r *run) { r.resume(a.life, inst) })
	}
	return nil
}

// resume goes on with a session whose instance was adopted.
func (r *run) resume(ctx context.Context, inst driver.Instance) {
	r.a.log.Info("session taken over", "session", r.s.ID, "app", r.s.App)
	defer r.forget(ctx)
	r.adopted = true
	pulse := r.a.listen(r.s.ID)
	defer pulse.end()
	// What was appended before this run was known to the watch.
	for {
		s, _, err := projections.Load(ctx, r.a.cfg.Log, r.s.Region, r.s.ID)
		if err == nil {
			r.catchUp(s)
			break
		}
		r.a.log.Warn("the log does not tell what became of a session, asking again", "session", r.s.ID, "err", err)
		if pause(ctx, appendRetry) != nil {
			return // the driver's Close ends the instance
		}
	}
	r.supervise(ctx, inst, pulse)
}

// catchUp tells the run what the session has come to.
func (r *run) catchUp(s projections.Session) {
	if s.Ready != nil {
		r.once.ready.Do(func() { close(r.ready) })
	}
	switch {
	case s.Status == projections.StatusTerminating || s.Ended():
		r.requestStop(s.StatusMessage)
	case s.Agent != r.a.cfg.ID || s.Attempt != r.s.Attempt || !s.Claimed:
		r.requeued.Store(true)
		r.requestStop("the session went back to the queue")
	}
}

// claimant is who claimed a session; empty where the event does not say it.
func claimant(e events.Event) events.AgentID {
	var d events.ClaimedData
	if e.Decode(&d) != nil {
		return ""
	}
	return d.Agent
}

// disown appends the ending of a session that an earlier run of this agent held, if it has none yet: failed, or
// terminated if that had been asked for. One that had not become ready is tried again.
func (a *Agent) disown(ctx context.Context, id events.SessionID) error {
	_, _, err := projections.Decide(ctx, a.cfg.Log, a.cfg.Region, id, func(s projections.Session) (*events.Draft, error) {
		if s.Ended() || !s.Claimed || s.Agent != a.cfg.ID {
			return nil, nil
		}
		d := events.FailedData{Agent: a.cfg.ID, Attempt: s.Attempt, Part: "agent", Cause: events.CauseVanished,
			Reason: "the agent that ran the session was killed, and its instance with it"}
		if a.cfg.Adopt {
			d.Reason = "the agent was away, and when it was back the session's instance was gone"
		}
		name := events.Failed
		if a.cfg.Adopt && s.Ready == nil && s.Attempt < projections.MaxAttempts { // `up` begins nothing by itself
			name = events.AttemptFailed
		}
		draft := events.NewDraft(a.cfg.Region, id, events.Agent, name, d)
		if s.Status == projections.StatusTerminating {
			draft = events.NewDraft(a.cfg.Region, id, events.Agent, events.Terminated,
				events.EndedData{Agent: a.cfg.ID, Attempt: s.Attempt, Reason: s.StatusMessage})
		}
		return &draft, nil
	})
	if err != nil && !errors.Is(err, projections.ErrUnknownSession) { // the log has forgotten its creation
		return fmt.Errorf("agent: end of %s not recorded: %w", id, err)
	}
	return nil
}
