package ams

import (
	"context"
	"fmt"
	"strings"

	"streamstack/agent/driver"
)

var _ driver.Commons = (*Driver)(nil)

// Foreign lists the instances that carry another agent's tag and a session's; see [driver.Commons].
func (d *Driver) Foreign(ctx context.Context) (found []driver.Foreign, err error) {
	all, err := d.client.tagged(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		for _, tag := range r.Tags {
			if agent, is := strings.CutPrefix(tag, tagAgent); is && agent != d.config.Agent && r.session() != "" {
				found = append(found, driver.Foreign{Session: r.session(), Agent: agent, ID: r.ID})
				break
			}
		}
	}
	return found, nil
}

// EndForeign has AMS end an instance of another agent; see [driver.Commons].
func (d *Driver) EndForeign(ctx context.Context, f driver.Foreign) error {
	d.start()
	if !d.evict(ctx, remote{ID: f.ID, Tags: []string{tagSession + f.Session}}) {
		return fmt.Errorf("ams: instance %s of agent %s does not end: %w", f.ID, f.Agent, context.Cause(ctx))
	}
	return nil
}
