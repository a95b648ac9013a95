package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Applications that come later are served, and those that go are not; a session of one that goes runs on.
func TestApplicationsChange(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	cfg, nc := r.config("a1", 4, r.says(d))
	all := cfg.Applications.All()
	only := func(keep ...string) application.Catalogue {
		c, err := application.New(slices.DeleteFunc(slices.Clone(all), func(a application.Application) bool { return !slices.Contains(keep, a.Name) })...)
		require.NoError(t, err)
		return c
	}
	next := make(chan application.Catalogue)
	cfg.Applications = only("xterm")
	cfg.FollowApplications = func(ctx context.Context, known application.Catalogue, changed func(application.Catalogue) error) error {
		if !slices.Equal(known.Names(), []string{"xterm"}) {
			return errors.New("not what is served")
		}
		for {
			select {
			case c := <-next:
				if err := changed(c); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
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
