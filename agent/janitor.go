package agent

import (
	"context"
	"fmt"
	"time"
)

// janitor has the driver end what belongs to no session, again and again until the context ends: what a launch or an ending
// that went wrong has left, somebody who copied an instance's environment, or an agent that never came back.
func (a *Agent) janitor(ctx context.Context) error {
	tick := time.NewTicker(a.janitorTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("agent: janitor: %w", ctx.Err())
		case <-tick.C:
		case <-a.lost: // an agent, and with it whoever would have ended its instances
			a.endForeign(ctx)
			continue
		}
		a.endForeign(ctx)
		switch ended, err := a.cfg.Driver.Sweep(ctx); {
		case ctx.Err() != nil:
		case err != nil:
			a.log.Warn("not everything that belongs to no session could be ended, trying again later", "err", err)
		case len(ended) > 0:
			a.log.Warn("ended what belonged to no session", "sessions", ended)
		}
	}
}
