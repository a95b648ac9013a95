package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/events"
	"streamstack/events/eventstest"
)

// offered waits until the gateways know just these applications of an agent.
func (r *rig) offered(id events.AgentID, names ...string) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		a, _ := r.agents().Get(region, id)
		var have []string
		for _, app := range a.Applications {
			have = append(have, app.Name)
		}
		if !slices.Equal(have, names) {
			return fmt.Sprintf("%v, the gateways know %v", names, have)
		}
		return ""
	})
}

// changing makes an agent begin with xterm and follow what is sent; only is the catalogue of some of its applications.
func changing(t *testing.T, cfg *Config) (only func(keep ...string) application.Catalogue, next chan<- application.Catalogue) {
	t.Helper()
	all := cfg.Applications.All()
	only = func(keep ...string) application.Catalogue {
		c, err := application.New(slices.DeleteFunc(slices.Clone(all), func(a application.Application) bool { return !slices.Contains(keep, a.Name) })...)
		require.NoError(t, err)
		return c
	}
	catalogues := make(chan application.Catalogue)
	cfg.Applications = only("xterm")
	cfg.FollowApplications = func(ctx context.Context, known application.Catalogue, changed func(application.Catalogue) error) error {
		if !slices.Equal(known.Names(), []string{"xterm"}) {
			return errors.New("not what is served")
		}
		for {
			select {
			case c := <-catalogues:
				if err := changed(c); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return only, catalogues
}

// Applications that come later are served, and those that go are not; a session of one that goes runs on.
func TestApplicationsChange(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	cfg, nc := r.config("a1", 4, r.says(d))
	only, next := changing(t, &cfg)
	a := r.run(cfg, nc)
	r.offered("a1", "xterm")
	runs := r.session()
	r.until(runs, events.Ready)
	early := r.create(func(d *events.CreatedData) { d.App = "glxgears" })
	r.queue(early, "glxgears")

	next <- only("xterm", "glxgears")
	r.offered("a1", "glxgears", "xterm")
	r.until(early, events.Ready)

	next <- only("glxgears")
	r.offered("a1", "glxgears")
	waits := r.session()
	late := r.create(func(d *events.CreatedData) { d.App = "glxgears" })
	r.queue(late, "glxgears")
	r.until(late, events.Ready)
	words, _ := r.history(waits)
	require.Equal(t, []string{"gateway.created"}, words, "nobody serves it")
	require.Empty(t, r.endings(runs))

	next <- only("xterm", "glxgears")
	r.until(waits, events.Ready)
	a.drained(t)
}

// An outage at the moment when an application comes ends neither the agent nor what runs on it.
func TestApplicationsChangeInAnOutage(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	cfg, nc := r.config("a1", 4, r.says(d))
	only, next := changing(t, &cfg)
	said := &eventstest.Output{}
	cfg.Logger = slog.New(slog.NewTextHandler(said, nil))
	r.run(cfg, nc)
	runs := r.session()
	r.until(runs, events.Ready)
	early := r.create(func(d *events.CreatedData) { d.App = "glxgears" })
	r.queue(early, "glxgears")

	r.server.Stop()
	next <- only("xterm", "glxgears")
	eventstest.Wait(t, patience, func() string {
		if !strings.Contains(said.String(), "the work queue cannot be asked") {
			return "the agent asks for work"
		}
		return ""
	})
	r.server.Restart()
	r.until(early, events.Ready)
	require.Empty(t, r.endings(runs))
}
