package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
)

var _ driver.Commons = (*Driver)(nil)

// Foreign lists the containers that carry another agent's label and are a session's, also those that have ended; see
// [driver.Commons]. What waits for a session is none of them, nor is anything without our labels.
func (d *Driver) Foreign(ctx context.Context) (found []driver.Foreign, err error) {
	all, err := d.labelled(ctx, LabelAgent)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		agent := c.Labels[LabelAgent]
		if agent == d.config.Agent || !driver.ValidID(agent) {
			continue
		}
		if session := foreignSession(c, agent); session != "" {
			found = append(found, driver.Foreign{Session: session, Agent: agent, ID: c.ID})
		}
	}
	return found, nil
}

// foreignSession is the session that another agent's container is for, empty for none. It is stricter than sessionOf: a name that is
// not of our making says nothing, since what is not an agent's own is not ended on a guess.
func foreignSession(c container.Summary, agent string) (session string) {
	session = c.Labels[LabelSession]
	if waited := c.Labels[LabelWarm]; session == "" && waited != "" {
		for _, name := range c.Names {
			if now, is := strings.CutPrefix(strings.TrimPrefix(name, "/"), agent+"."); is && now != waited {
				session = now
			}
		}
	}
	if !driver.ValidID(session) {
		return ""
	}
	return session
}

// EndForeign ends another agent's container and removes it; see [driver.Commons]. It is known by its id: one that its agent, back
// again, has made of the same name meanwhile is not touched. It ends in order, as its agent would have it.
func (d *Driver) EndForeign(ctx context.Context, f driver.Foreign) error {
	grace := int(stopGrace.Seconds())
	_, err := d.api.ContainerStop(ctx, f.ID, client.ContainerStopOptions{Timeout: &grace})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if away(err) {
		return d.kind(fmt.Errorf("docker: stop container %s of agent %s: %w", f.ID, f.Agent, err))
	}
	return d.kind(d.discard(ctx, f.ID)) // also where it could not be stopped: that takes it by force
}
