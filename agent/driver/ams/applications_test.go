package ams

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver/ams/amstest"
)

// offered are names and versions of a catalogue.
func offered(c application.Catalogue) map[string][]int {
	all := map[string][]int{}
	for _, a := range c.All() {
		all[a.Name] = append(all[a.Name], a.Version)
	}
	return all
}

// Only what is ready and published can be streamed (section 6).
func TestApplications(t *testing.T) {
	r := newRig(t, nil)
	app := func(name string, change func(*amstest.Application)) amstest.Application {
		a := amstest.Ready("id-"+name, name, 2)
		change(&a)
		return a
	}
	r.ams.SetApplications(
		app("racing", func(*amstest.Application) {}),
		app("partly", func(a *amstest.Application) { a.Versions[0].Published, a.Versions[2].Status = false, "error" }),
		app("young", func(a *amstest.Application) { a.Status = "initializing" }),
		app("draft", func(a *amstest.Application) { a.Versions = a.Versions[:1]; a.Versions[0].Published = false }),
		app("Odd.Name", func(*amstest.Application) {}),
	)
	for range 2 {
		c, err := r.Applications(r.context())
		require.NoError(t, err)
		require.Equal(t, map[string][]int{"racing": {0, 1, 2}, "partly": {1}}, offered(c))
		latest, _ := c.Default("racing")
		require.Equal(t, application.Application{Name: "racing", Version: 2, Audio: true, Screen: application.Screen{Width: 1280, Height: 720, FPS: 60}}, latest)
	}
	require.Regexp(t, `(?s)^[^\n]*app=Odd.Name\n$`, r.log.String(), "told once")
}

// A fresh application is noticed, one that is gone too; nothing is told while nothing changes.
func TestFollowApplications(t *testing.T) {
	r := newRig(t, nil)
	known, err := r.Applications(r.context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(r.context())
	changes := make(chan application.Catalogue)
	ended := make(chan error, 1)
	go func() {
		ended <- r.FollowApplications(ctx, known, func(c application.Catalogue) error {
			changes <- c
			return nil
		})
	}()
	racing, fresh := amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 1), amstest.Ready("id-fresh", "fresh", 0)
	r.ams.SetApplications(racing, fresh)
	require.Equal(t, map[string][]int{"racing": {0, 1}, "fresh": {0}}, offered(<-changes))
	r.ams.SetApplications(fresh)
	require.Equal(t, map[string][]int{"fresh": {0}}, offered(<-changes))
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	r.ams.SetApplications()
	full := errors.New("full")
	require.ErrorIs(t, r.FollowApplications(r.context(), known, func(application.Catalogue) error { return full }), full)
}

// What the nodes take, less what others occupy (section 9).
func TestCapacity(t *testing.T) {
	node := func(change func(*amstest.Node)) amstest.Node {
		n := amstest.Node{Name: "lxd0", Status: "online", StatusCode: 4, CPUs: 2, CPUAllocationRate: 4, Memory: "8GB", MemoryAllocationRate: 2, DiskSize: "100GB"}
		change(&n)
		return n
	}
	same := func(*amstest.Node) {}
	gpu := amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 1)
	gpu.Resources.GPUSlots = 2
	for name, row := range map[string]struct {
		nodes []amstest.Node
		apps  []amstest.Application
		slots int
	}{
		"by processors":        {nodes: []amstest.Node{node(same)}, slots: 4},
		"by memory":            {nodes: []amstest.Node{node(func(n *amstest.Node) { n.Memory = "5GB" })}, slots: 3},
		"by disk":              {nodes: []amstest.Node{node(func(n *amstest.Node) { n.DiskSize = "7GB" })}, slots: 2},
		"disk not told":        {nodes: []amstest.Node{node(func(n *amstest.Node) { n.DiskSize = "" })}, slots: 4},
		"rates not told":       {nodes: []amstest.Node{node(func(n *amstest.Node) { n.CPUAllocationRate, n.MemoryAllocationRate = 0, 0 })}, slots: 4},
		"two nodes":            {nodes: []amstest.Node{node(same), node(func(n *amstest.Node) { n.Name = "lxd1" })}, slots: 8},
		"offline":              {nodes: []amstest.Node{node(func(n *amstest.Node) { n.StatusCode = 5 })}},
		"unschedulable":        {nodes: []amstest.Node{node(func(n *amstest.Node) { n.Unschedulable = true })}},
		"unscheduable":         {nodes: []amstest.Node{node(func(n *amstest.Node) { n.Unscheduable = true })}},
		"by graphics":          {nodes: []amstest.Node{node(func(n *amstest.Node) { n.GPUSlots = 5 })}, apps: []amstest.Application{gpu}, slots: 2},
		"no graphics":          {nodes: []amstest.Node{node(same)}, apps: []amstest.Application{gpu}},
		"no application yet":   {nodes: []amstest.Node{node(same)}, apps: []amstest.Application{{}}, slots: 4},
		"a machine of its own": {nodes: []amstest.Node{node(func(n *amstest.Node) { n.DiskSize = "31GB" })}, apps: []amstest.Application{{Name: "vm", Status: "ready", VM: true, Versions: gpu.Versions}}, slots: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.ams.SetNodes(row.nodes...)
			if row.apps != nil {
				r.ams.SetApplications(row.apps...)
			}
			_, err := r.Applications(r.context())
			require.NoError(t, err)
			slots, err := r.Capacity(r.context())
			require.NoError(t, err)
			require.Equal(t, row.slots, slots)
		})
	}
	t.Run("others", func(t *testing.T) {
		r := newRig(t, nil)
		r.ams.SetNodes(node(same))
		r.launch("own")
		other := *r
		other.config.Agent = "a2"
		other.Driver = other.another()
		other.launch("another's")
		slots, err := r.Capacity(r.context())
		require.NoError(t, err)
		require.Equal(t, 3, slots, "what is one's own does not count")
	})
}
