package media_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/stretchr/testify/require"
)

// pulse is a real PulseAudio with one null sink, "out".
type pulse struct {
	server  string
	process *os.Process
	exited  chan struct{}
}

// startPulse starts a PulseAudio of its own, which ends with the test.
func startPulse(t testing.TB) *pulse {
	t.Helper()
	dir, err := os.MkdirTemp("", "pulse") //nolint:usetesting // t.TempDir is longer than the path of a socket may be
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "native")
	command := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-null-sink sink_name=out", "-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket)
	command.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir)
	require.NoError(t, command.Start())
	p := &pulse{server: "unix:" + socket, process: command.Process, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = command.Wait() // killed by the test
	}()
	t.Cleanup(func() { p.kill(t) })
	eventually(t, 20*time.Second, func() error {
		select {
		case <-p.exited:
			return errors.New("pulseaudio ended at once")
		default:
		}
		if _, err := os.Stat(socket); err != nil {
			return fmt.Errorf("pulseaudio does not listen yet: %w", err)
		}
		return nil
	})
	return p
}

func (p *pulse) kill(t testing.TB) {
	t.Helper()
	_ = p.process.Signal(syscall.SIGKILL) // it may be gone already
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Error("pulseaudio did not end")
	}
}

// tone plays a sine wave of 440 Hz at half the full scale to the null sink until the test ends.
func (p *pulse) tone(t testing.TB) {
	t.Helper()
	pipeline, err := gst.NewPipelineFromString(fmt.Sprintf(
		"audiotestsrc wave=sine freq=440 volume=0.5 ! audio/x-raw,rate=48000,channels=2 ! pulsesink server=%s device=out", p.server))
	require.NoError(t, err)
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	t.Cleanup(func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	})
}
