package streamer

import (
	"context"
	"sync"
	"time"

	"streamstack/events"
	"streamstack/streamer/peer"
)

// decisions gathers what a client's peer decides and appends it, at most one event every [events.DecisionsEvery] with at most
// [events.MaxDecisions] in it. The first of a burst are told, for they explain the others; how many are not is counted. Like the
// samples it never stands in the media's way.
type decisions struct {
	c      *client
	cancel context.CancelFunc // nil before start
	work   sync.WaitGroup

	mu      sync.Mutex
	list    []events.DecisionData
	omitted uint64
}

// add takes a decision of the peer. It does not wait.
func (d *decisions) add(p peer.Decision) {
	d.note(events.DecisionData{
		UnixMs: p.At.UnixMilli(), Kind: string(p.Kind), Cause: p.Cause, TargetKbps: p.Target.Bitrate / 1000, FPS: p.Target.FPS,
		EstimateKbps: p.Estimate / 1000, QueueMs: int(p.Queue.Milliseconds()), Pictures: p.Pictures, Copies: p.Copies,
		MinKbps: p.Min / 1000, MaxKbps: p.Max / 1000,
	})
}

// fellBack takes the one decision that is not the peer's: an encoder has failed, and another is in its place.
func (d *decisions) fellBack(now time.Time, from, to string, stats peer.Stats) {
	d.note(events.DecisionData{
		UnixMs: now.UnixMilli(), Kind: "fallback", Cause: "failed", TargetKbps: stats.Target.Bitrate / 1000, FPS: stats.Target.FPS,
		EstimateKbps: stats.Estimate / 1000, From: from, To: to,
	})
}

func (d *decisions) note(one events.DecisionData) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) >= events.MaxDecisions {
		d.omitted++
		return
	}
	d.list = append(d.list, one)
}

// start begins to append. It is called once at most, on the loop's goroutine, as close is. A client without pictures has no
// decisions.
func (d *decisions) start(ctx context.Context) {
	if !d.c.settings.EnableVideo {
		return
	}
	ctx, d.cancel = context.WithCancel(ctx)
	d.work.Go(func() {
		tick := time.NewTicker(events.DecisionsEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			d.flush(ctx)
		}
	})
}

// close ends it and waits; what was decided last is not told.
func (d *decisions) close() {
	if d.cancel != nil {
		d.cancel()
	}
	d.work.Wait()
}

// flush appends what there is. What the log does not take is counted, and not offered again: it would be out of date.
func (d *decisions) flush(ctx context.Context) {
	d.mu.Lock()
	data := events.DecisionsData{Peer: d.c.id, List: d.list, Omitted: d.omitted}
	d.list, d.omitted = nil, 0
	d.mu.Unlock()
	if len(data.List) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cfg := &d.c.s.cfg
	if _, err := cfg.Log.Append(ctx, events.NewDecisionsDraft(cfg.Region, cfg.Session, data)); err != nil {
		d.c.s.log.Debug("decisions are not recorded", "peer", d.c.id, "err", err)
		d.mu.Lock()
		d.omitted += data.Omitted + uint64(len(data.List))
		d.mu.Unlock()
	}
}
