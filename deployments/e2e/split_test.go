package e2e

import (
	"testing"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// TestSplit: the main job with NATS, gateway and agent as processes of their own, the first of which is restarted in its middle.
func TestSplit(t *testing.T) {
	checkJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{}), func(v viewer, id events.SessionID) { checkNATSRestart(t, v, id) }, viewer.end)
}

// TestSplitTrust: the same with a nats-server in operator mode, where each has credentials of its role alone.
func TestSplitTrust(t *testing.T) {
	checkMainJob(t, stack.Split(t, stack.DataDir(t), stack.Apart{Trust: true}))
}
