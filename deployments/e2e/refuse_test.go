package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
)

// TestStartFailures: what keeps `up` from starting is said in one line, with what to do, and nothing is left running.
func TestStartFailures(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	taken := busy.Addr().String()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("name: editor\nversion: 1\ncommand: xterm\n"), 0o600))
	empty := t.TempDir() // a PATH, a plug-in folder with nothing in it

	for name, x := range map[string]struct {
		flags, env []string
		says       []string
		hide       string // a folder that is empty
	}{
		"busy gateway port":     {flags: []string{"--listen", taken}, says: []string{taken, "in use", "--listen"}},
		"busy NATS port":        {flags: []string{"--nats-listen", taken}, says: []string{taken, "--nats-listen"}},
		"busy TURN port":        {flags: []string{"--turn-listen", taken}, says: []string{taken, "--turn-listen"}},
		"no GStreamer elements": {env: []string{"GST_PLUGIN_SYSTEM_PATH_1_0=" + empty, "GST_PLUGIN_PATH_1_0=" + empty, "GST_REGISTRY_1_0=" + filepath.Join(t.TempDir(), "registry")}, says: []string{"x264enc", "apt-get install", "gstreamer1.0-plugins-ugly"}},
		"no PulseAudio":         {env: []string{"PATH=" + empty}, says: []string{"pulseaudio", "apt-get install"}},
		"no X server":           {hide: "/usr/lib/xorg", env: []string{"PATH=" + empty}, says: []string{"Xorg", "apt-get install", "xserver-xorg-core"}},
		"no dummy driver":       {hide: "/usr/lib/xorg/modules/drivers", says: []string{"dummy", "apt-get install", "xserver-xorg-video-dummy"}},
		"broken application":    {flags: []string{"--applications", broken}, says: []string{"broken.yaml:3", "command"}},
		"missing applications":  {flags: []string{"--applications", filepath.Join(empty, "none.yaml")}, says: []string{"none.yaml"}},
		"malformed address":     {flags: []string{"--listen", "nowhere"}, says: []string{"nowhere", "--listen"}},
		"malformed region":      {flags: []string{"--region", "A.B"}, says: []string{"--region", "A.B"}},
		"one port, many slots":  {flags: []string{"--ice-udp-port", "15555"}, says: []string{"--ice-udp-port", "--slots N"}},
		"no slots":              {flags: []string{"--slots", "0"}, says: []string{"--slots"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := stack.DataDir(t)
			checkRefusal(t, data, stack.RunIn(t, without(x.hide), x.env, upArgs(data, x.flags...)...), x.says...)
		})
	}
}

// upArgs are the arguments of a stack on free ports; flags given come last and win.
func upArgs(data string, flags ...string) []string {
	return append([]string{"up", "--data", data, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0"}, flags...)
}

// without is a wrapper that hides a folder's content from a program, in a mount namespace of its own.
func without(folder string) []string {
	if folder == "" {
		return nil
	}
	return []string{"/usr/bin/unshare", "--map-root-user", "--mount", "/bin/sh", "-c", `/bin/mount -t tmpfs none "$0" && exec "$@"`, folder}
}

// checkRefusal waits for the end of a start that failed.
func checkRefusal(t *testing.T, data string, p *stack.Process, says ...string) {
	t.Helper()
	require.NotZero(t, p.Wait(), "exit status")
	said := strings.TrimSpace(p.Stderr())
	for _, want := range says {
		require.Contains(t, said, want)
	}
	require.NotContains(t, said, "\n", "one line")
	require.Empty(t, p.Stdout())
	require.NoFileExists(t, filepath.Join(data, "endpoints.json"))
	nothingLeft(t, data, time.Second)
	t.Log(said)
}

// TestReadOnlyData: the data folder is on a file system that cannot be written, which holds for root too.
func TestReadOnlyData(t *testing.T) {
	data := stack.DataDir(t)
	wrapper := []string{"unshare", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o ro none "$0" && exec "$@"`, data}
	checkRefusal(t, data, stack.RunIn(t, wrapper, nil, upArgs(data)...), data, "read-only", "--data")
	checkRefusal(t, data, stack.Run(t, upArgs("/proc/none")...), "/proc/none", "--data")
}

// TestTwoStacksOneFolder: the second says so, and the first goes on.
func TestTwoStacksOneFolder(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data)
	p := stack.Run(t, upArgs(data)...)
	require.NotZero(t, p.Wait())
	require.Contains(t, p.Stderr(), "another stack runs on "+data)
	require.Contains(t, p.Stderr(), "--data")
	_, err := s.Client.Applications(t.Context())
	require.NoError(t, err)
}

// TestUsage: wrong usage is exit status 2 and one line.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"nonsense"}, {"up", "--nonsense"}, {"up", "now"}, {"history"}, {"up", "--slots", "many"}, {"gateway"}, {"agent"}, {"session"}} {
		out, err := exec.CommandContext(t.Context(), stack.Binary(t), args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%v", args)
		require.Equal(t, 2, exit.ExitCode(), "%v: %s", args, out)
		require.Len(t, strings.Split(strings.TrimSpace(string(out)), "\n"), 1, "%v: %s", args, out)
	}
}
