package agent

import (
	"context"
	"errors"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/projections"
)

// endForeign ends what agents that are lost have left in an engine that this one shares with them: the instances whose sessions are over,
// or have become another agent's. A session that the log of this region does not know is not ours to judge: the engine may serve other
// regions, and other stacks.
func (a *Agent) endForeign(ctx context.Context) {
	d, shared := a.cfg.Driver.(driver.Commons)
	if !shared {
		return
	}
	all, err := d.Foreign(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("what other agents have left cannot be looked for, trying again later", "err", err)
		}
		return
	}
	for _, f := range all {
		s, _, err := projections.Load(ctx, a.cfg.Log, a.cfg.Region, events.SessionID(f.Session))
		switch {
		case errors.Is(err, projections.ErrUnknownSession):
			continue
		case err != nil:
			if ctx.Err() == nil {
				a.log.Warn("the log does not tell whether another agent's instance is wanted, asking again later", "session", f.Session, "err", err)
			}
			return
		case !s.Ended() && (!s.Claimed || string(s.Agent) == f.Agent):
			continue // wanted, or its agent is about to end it
		}
		a.log.Warn("another agent has left an instance whose session is over, it is ended", "session", f.Session, "agent_of", f.Agent, "instance", f.ID)
		bounded, cancel := context.WithTimeout(ctx, stopTime)
		if err := d.EndForeign(bounded, f); err != nil && ctx.Err() == nil {
			a.log.Warn("another agent's instance does not end, trying again later", "session", f.Session, "err", err)
		}
		cancel()
	}
}
