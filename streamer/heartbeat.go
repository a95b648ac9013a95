package streamer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"streamstack/events"
)

// loopTime is how long the loop may be busy before the streamer counts itself as hung: longer than anything that it waits
// for in order, of which an append to a log that is away takes the most.
const loopTime = appendTime + captureTime + negotiateTime

// beat gives a sign of life for as long as the loop gets on, until the context ends. When it stops, the agent ends the
// instance, and the session says why.
func (s *Streamer) beat(ctx context.Context) error {
	tick := time.NewTicker(events.HeartbeatEvery)
	defer tick.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	answers, asked, seen := make(chan struct{}, 1), false, time.Now()
	for {
		if time.Since(seen) > loopTime {
			s.log.Error("the streamer's loop hangs; its agent will end it", "since", seen)
		} else if err := s.cfg.Log.Beat(events.StreamerKey(s.cfg.Region, s.cfg.Session)); err != nil {
			s.log.Debug("heartbeat not sent", "err", err)
		}
		if !asked {
			asked = true
			asking.Go(func() { // one at a time; ends with the loop's answer, or with ctx
				s.post(ctx, func(context.Context) error {
					answers <- struct{}{}
					return nil
				})
			})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("streamer: heartbeat: %w", ctx.Err())
		case <-tick.C:
		}
		select {
		case <-answers:
			asked, seen = false, time.Now()
		default: // busy still
		}
	}
}
