package e2e

import (
	"os"
	"testing"

	"streamstack/deployments/e2e/stack"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stack.Cleanup()
	os.Exit(code)
}
