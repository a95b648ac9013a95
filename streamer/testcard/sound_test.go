package testcard

import (
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay/xorgtest"
)

func TestToneRepeatsWithoutAClick(t *testing.T) {
	loop := tone()
	require.Len(t, loop, toneFrames*4)
	crossings := risingCrossings(loop)
	assert.Equal(t, 11, crossings, "whole periods")
	assert.Zero(t, binary.LittleEndian.Uint16(loop), "begins where it ends")
}

// risingCrossings counts where the left channel goes from below zero to zero or above, the end joined to the beginning.
func risingCrossings(pcm []byte) int {
	sample := func(i int) int16 { return int16(binary.LittleEndian.Uint16(pcm[i*4%len(pcm):])) }
	count := 0
	for i := range len(pcm) / 4 {
		if sample(i) < 0 && sample(i+1) >= 0 {
			count++
		}
	}
	return count
}

// startPulse starts a PulseAudio daemon with a null sink and gives its address.
func startPulse(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "pulse.sock")
	cmd := exec.Command("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--high-priority=no", "--realtime=no",
		"--load=module-null-sink sink_name=test rate=48000", "--load=module-native-protocol-unix auth-anonymous=1 socket="+socket)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir, "DBUS_SESSION_BUS_ADDRESS=")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // its exit status after a signal tells nothing
	})
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, patience, 20*time.Millisecond, "no socket of PulseAudio")
	return "unix:" + socket
}

func TestToneIsHeard(t *testing.T) {
	pulse := startPulse(t)
	display := xorgtest.Start(t, 640, 480).Display
	p := startCommand(t, "--fps 30", "DISPLAY="+display, "PULSE_SERVER="+pulse)

	listener := exec.Command("parec", "--device=test.monitor", "--raw", "--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20")
	listener.Env = append(os.Environ(), "PULSE_SERVER="+pulse)
	heard, err := listener.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, listener.Start())
	t.Cleanup(func() {
		_ = listener.Process.Kill() // may have ended
		_ = listener.Wait()         // killed
	})
	const second = toneRate * 4 // bytes
	buffer := make([]byte, second)
	crossings := 0
	for range 10 { // the first seconds may be the silence before pacat
		_, err := io.ReadFull(heard, buffer)
		require.NoError(t, err)
		if crossings = risingCrossings(buffer); crossings >= ToneHertz-1 {
			break
		}
	}
	assert.InDelta(t, ToneHertz, crossings, 1, "hertz")

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	status, output := p.ended(t)
	assert.Zero(t, status, output)
}

func TestGoesOnWithoutSound(t *testing.T) {
	p, v, _ := startCard(t, 640, 480, "--fps 30", "PULSE_SERVER=unix:/nonexistent/pulse")
	v.await(awaitFrame(60))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	status, output := p.ended(t)
	assert.Zero(t, status)
	assert.Contains(t, output, "no sound")
}

func TestSilenceIsNotTried(t *testing.T) {
	began := time.Now()
	playTone(t.Context(), "", slog.New(slog.DiscardHandler))
	assert.Less(t, time.Since(began), patience)
}
