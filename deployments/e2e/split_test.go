package e2e

import (
	"testing"

	"streamstack/deployments/e2e/stack"
)

// TestSplit: the main job with NATS, gateway and agent as processes of their own.
func TestSplit(t *testing.T) {
	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{}))
}

// TestSplitTrust: the same with a nats-server in operator mode, where each has credentials of its role alone.
func TestSplitTrust(t *testing.T) {
	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{Trust: true}))
}
