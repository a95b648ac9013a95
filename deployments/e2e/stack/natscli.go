package stack

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// natsCLIModule is the version of the nats command that the documentation is tested with.
const natsCLIModule = "github.com/nats-io/natscli@v0.3.0"

// natsCLI builds the nats command once for a run of the tests. It is built in its module's own folder, with the versions
// that its authors chose: in ours, its dependencies would become ours.
var natsCLI = sync.OnceValues(func() (string, error) {
	path, err := binary()
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(path), "nats")
	download := exec.Command("go", "mod", "download", "-json", natsCLIModule)
	download.Dir = filepath.Dir(path) // outside of any module
	text, err := download.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w: %s", natsCLIModule, err, text)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(text, &module); err != nil {
		return "", fmt.Errorf("download %s: %w", natsCLIModule, err)
	}
	build := exec.Command("go", "build", "-C", module.Dir, "-ldflags=-w", "-o", path, "./nats")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", natsCLIModule, err, text)
	}
	return path, nil
})

// Tools is a folder with the program under test and the nats command.
func Tools(t testing.TB) string {
	t.Helper()
	path, err := natsCLI()
	require.NoError(t, err)
	return filepath.Dir(path)
}
