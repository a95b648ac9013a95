package ams

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/agent/driver"
)

// evictions is how many instances Sweep has AMS end at once.
const evictions = 8

// Sweep ends what an earlier run of this agent left; see [driver.Driver]. It returns when AMS has ended all of it.
func (d *Driver) Sweep(ctx context.Context) ([]string, error) {
	all, err := d.client.tagged(ctx, d.tag())
	if err != nil {
		return nil, err
	}
	d.start()
	var group errgroup.Group
	group.SetLimit(evictions)
	var sessions []string
	for _, r := range all {
		if d.owned(r) {
			continue
		}
		sessions = append(sessions, r.session())
		group.Go(func() error {
			if !d.evict(ctx, r) {
				return fmt.Errorf("ams: instance %s of an earlier run does not end: %w", r.ID, context.Cause(ctx))
			}
			return nil
		})
	}
	return sessions, group.Wait()
}

// evict deletes an instance that nobody owns, and returns when it is gone; false when ctx ended first.
func (d *Driver) evict(ctx context.Context, r remote) bool {
	in := &instance{d: d, spec: driver.Spec{Session: r.session()}, id: r.ID, log: d.config.Log.With("session", r.session())}
	news, watched := d.feed.watch(r.ID)
	defer watched()
	return in.remove(ctx, news, 0)
}

// janitor removes the agent's instances that belong to no session, until ctx ends.
func (d *Driver) janitor(ctx context.Context) {
	news, watched := d.feed.watch(anew)
	defer watched()
	for {
		timer := time.NewTimer(d.config.times.janitor)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-news:
			timer.Stop()
		case <-timer.C:
		}
		all, err := d.client.tagged(ctx, d.tag())
		if err != nil {
			if ctx.Err() == nil {
				d.config.Log.Warn("AMS does not tell its instances, the janitor asks again", "err", err)
			}
			continue
		}
		for _, r := range all {
			if d.owned(r) {
				continue
			}
			d.config.Log.Warn("an instance belongs to no session, it is deleted", "session", r.session(), "instance", r.ID)
			bounded, cancel := context.WithTimeout(ctx, d.config.times.clean)
			d.evict(bounded, r)
			cancel()
		}
	}
}
