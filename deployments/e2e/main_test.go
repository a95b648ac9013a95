package e2e

import (
	"os"
	"testing"

	"streamstack/deployments/e2e/stack"
)

// TestMain lets the test binary be an application of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == roleListener {
		listener(os.Args[2])
		return
	}
	code := m.Run()
	stack.Cleanup()
	os.Exit(code)
}
