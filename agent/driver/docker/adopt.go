package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"streamstack/agent/driver"
)

// evictions is how many containers Sweep removes at once.
const evictions = 8

var _ driver.Adopter = (*Driver)(nil)

// ours lists the containers that carry the agent's label, also those that have ended.
func (d *Driver) ours(ctx context.Context) ([]container.Summary, error) {
	return d.labelled(ctx, LabelAgent+"="+d.config.Agent)
}

// labelled lists the containers that carry a label, NAME or NAME=VALUE, also those that have ended.
func (d *Driver) labelled(ctx context.Context, label string) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.times.request)
	defer cancel()
	list, err := d.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		return nil, d.kind(fmt.Errorf("docker: list containers: %w", err))
	}
	return list.Items, nil
}

// sessionOf is the session that a container of ours is for. One that was started before its session came has that as its name, and
// until then what it was called.
func (d *Driver) sessionOf(c container.Summary) string {
	if session := c.Labels[LabelSession]; session != "" || len(c.Names) == 0 {
		return session
	}
	session, _ := strings.CutPrefix(strings.TrimPrefix(c.Names[0], "/"), d.config.name(""))
	return session
}

// Adopt takes over the containers that carry the agent's label and a session's, and whose guest has said that all of the
// instance runs; see [driver.Adopter]. Those that have ended meanwhile are among them, and tell so at once.
func (d *Driver) Adopt(ctx context.Context) ([]driver.Instance, error) {
	all, err := d.ours(ctx)
	if err != nil {
		return nil, err
	}
	var found []driver.Instance
	for _, c := range all {
		session := d.sessionOf(c)
		if !driver.ValidID(session) || c.State == container.StateCreated {
			continue
		}
		spec := driver.Spec{Session: session}
		spec.Application.Name = c.Labels[LabelApplication]
		spec.Attempt, _ = strconv.Atoi(c.Labels[LabelAttempt]) // 0 where it is none
		in, err := d.admit(spec)
		switch {
		case errors.Is(err, driver.ErrExists):
			continue // ours already
		case err != nil:
			return found, err
		}
		in.id = c.ID
		whole, err := in.recall(ctx)
		if err != nil || !whole {
			d.drop(in)
			if err != nil {
				return found, d.kind(err)
			}
			continue
		}
		go in.supervise(d.life) //nolint:contextcheck // it ends with the instance, which Close waits for
		found = append(found, in)
	}
	return found, nil
}

// recall tells whether the instance was launched to its end, and reads what limits it has.
func (in *instance) recall(ctx context.Context) (whole bool, err error) {
	said, err := in.reports(ctx)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	got, err := in.d.api.ContainerInspect(ctx, in.id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("docker: inspect: %w", err)
	case got.Container.HostConfig != nil:
		in.spec.Application.Limits.Memory = got.Container.HostConfig.Memory
	}
	return said.Launched, in.prepare()
}

// drop gives up an instance that is not to be had; its container is Sweep's.
func (d *Driver) drop(in *instance) {
	in.finish(driver.Ending{})
}

// Sweep removes what carries the agent's label and belongs to no session of this run; see [driver.Driver]. No other run is
// to have the same agent's id: that is what a lock on the data folder is for.
func (d *Driver) Sweep(ctx context.Context) ([]string, error) {
	all, err := d.ours(ctx)
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(evictions)
	var sessions []string
	for _, c := range all {
		session := d.sessionOf(c)
		if d.live.Lives(session) {
			continue
		}
		sessions = append(sessions, session)
		group.Go(func() error { return d.kind(d.discard(ctx, c.ID)) })
	}
	return sessions, group.Wait()
}
