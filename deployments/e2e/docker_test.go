package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver/docker/podmantest"
	"streamstack/deployments/e2e/stack"
)

// TestDocker: the main job with an agent whose instances are containers, of the image that people build, on a real engine. The
// container has no more than its own network's way to NATS, and credentials for its session alone.
func TestDocker(t *testing.T) {
	engine := podmantest.Start(t, stack.Binary(t))
	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{Trust: true, AgentFlags: []string{
		"--driver", "docker", "--docker", engine.Socket, "--docker-image", engine.Image, "--docker-memory", "1g", "--docker-cpus", "2"}}))
	require.Empty(t, engine.Containers(), "nothing is left")
}
