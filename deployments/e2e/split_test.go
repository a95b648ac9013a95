package e2e

import (
	"testing"

	"streamstack/deployments/e2e/stack"
)

// TestSplit: the main job with NATS, gateway and agent as processes of their own.
func TestSplit(t *testing.T) {
	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{}))
}
