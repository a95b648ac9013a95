package faults

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver/docker"
	"streamstack/agent/driver/docker/guest"
	"streamstack/agent/driver/docker/podmantest"
	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// containerRole is the first process of a container, in which this test binary is /usr/bin/streamstack.
func containerRole(ctx context.Context) error {
	return guest.Main(ctx, guest.Config{Data: "/data", Self: os.Args[0], Streamer: []string{os.Args[0], "role:streamer"}, In: os.Stdin, Out: os.Stdout, Logs: os.Stderr})
}

// greedyMemory is what the application greedy may use, in bytes, with all of its instance; it wants more.
const greedyMemory = 256 << 20

// greedyRole uses more and more memory.
func greedyRole(ctx context.Context) error {
	var all [][]byte
	for ctx.Err() == nil {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i)
		}
		all = append(all, piece)
	}
	return fmt.Errorf("%d MiB", len(all))
}

// containers is the engine that most faults share, which do it no harm.
var containers struct {
	sync.Mutex
	*podmantest.Engine
	end func() error
}

// sharedEngine starts it at first use.
func sharedEngine(t *testing.T) *podmantest.Engine {
	t.Helper()
	containers.Lock()
	defer containers.Unlock()
	if containers.Engine == nil {
		containers.Engine, containers.end = podmantest.Shared(t, self(t))
	}
	return containers.Engine
}

// endEngine is for TestMain.
func endEngine() error {
	if containers.end == nil {
		return nil
	}
	return containers.end()
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// contain has the agent's instances run in containers: of images by application, of which "missing" has none.
func (f fault) contain(t *testing.T, x *trial, c *agentConfig) {
	t.Helper()
	if f.alone {
		x.containers = podmantest.Start(t, self(t))
	} else {
		x.containers = sharedEngine(t)
	}
	for _, app := range []string{"steady", "greedy"} {
		x.containers.Podman("tag", x.containers.Image, "localhost/streamstack-"+app+":1")
	}
	c.ID = events.AgentID("a-" + uuid.NewString()[:8]) // whose containers are its own
	c.Docker = &docker.Config{Engine: x.containers.Socket, Image: "localhost/streamstack-{app}:{version}"}
}

// inContainers lists the containers of the trial's agent.
func (x *trial) inContainers() (mine []string) {
	x.t.Helper()
	for _, name := range x.containers.Containers() {
		if strings.HasPrefix(name, string(x.agent.config.ID)+".") {
			mine = append(mine, name)
		}
	}
	return mine
}

// noContainers waits until none is left.
func (x *trial) noContainers() {
	x.t.Helper()
	eventstest.Wait(x.t, patience, func() string {
		if left := x.inContainers(); len(left) > 0 {
			return fmt.Sprintf("the end of containers %v", left)
		}
		return ""
	})
}

// dockerFaults are those of the docker driver.
var dockerFaults = []fault{
	{name: "the container engine does not answer", docker: true, alone: true, strike: func(f *trial) { f.containers.Down() }, event: events.AttemptFailed, cause: events.CauseAway, says: "does not answer",
		status: projections.StatusActive, then: func(f *trial) { f.containers.Up(); f.until(f.id, events.Ready) }},
	{name: "its image is missing", docker: true, app: "missing", event: events.Failed, cause: events.CauseMissing, says: "image localhost/streamstack-missing:1 is not here", status: projections.StatusError},
	{name: "the container is killed", docker: true, before: events.Ready, strike: func(f *trial) {
		f.containers.Podman("kill", f.inContainers()[0])
	}, event: events.Failed, cause: events.CauseDied, says: "the container was ended by signal 9", status: projections.StatusError},
	{name: "it uses more memory than it may", docker: true, app: "greedy", event: events.Failed, cause: events.CauseMemory, says: "more memory than its limit of 256MiB", status: projections.StatusError},
	{name: "the agent of a container is killed and comes back", docker: true, before: events.Ready, strike: func(f *trial) {
		f.agent.kill()
		f.agent.start()
		require.Len(f.t, f.inContainers(), 1, "the instance goes on")
		f.terminate(f.id)
	}, event: events.Terminated, says: "deleted by test", status: projections.StatusTerminated},
}
