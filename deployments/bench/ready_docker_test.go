package bench

import (
	"slices"
	"testing"

	"streamstack/agent/driver/docker/podmantest"
	"streamstack/deployments/e2e/stack"
)

// inContainers is a stack whose agent runs its instances on Podman, with further flags of the agent.
func inContainers(b *testing.B, flags ...string) *stack.Stack {
	b.Helper()
	engine := podmantest.Start(b, stack.Binary(b))
	return stack.Split(b, stack.DataDir(b), stack.Apart{Trust: true, AgentFlags: slices.Concat(
		[]string{"--driver", "docker", "--docker", engine.Socket, "--docker-image", engine.Image}, flags)})
}
