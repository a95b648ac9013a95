package doctor

import (
	"fmt"
	"os"
	"testing"

	"streamstack/agent/driver/process/confine"
)

// TestMain lets the test binary be what doctor tries in namespaces: it starts its own executable.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == confine.Name {
		status, err := confine.Run(os.Args[2:])
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err) // the exit status tells too
			status = 1
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}
