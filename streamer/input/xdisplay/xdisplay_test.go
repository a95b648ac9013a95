package xdisplay_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

func TestDialRefusesWhatIsNoDisplayOfThisMachine(t *testing.T) {
	for _, display := range []string{"", "5", ":", ":x", ":-1", "elsewhere:0", "tcp/elsewhere:0"} {
		_, err := xdisplay.Dial(t.Context(), display)
		require.ErrorContains(t, err, "is not a display of this machine", display)
	}
}

func TestDialWithoutServer(t *testing.T) {
	_, err := xdisplay.Dial(t.Context(), ":65000")
	require.ErrorContains(t, err, "is it running?")
}

// listen takes the place of an X server on a display of its own.
func listen(t *testing.T) (display string, listener net.Listener) {
	t.Helper()
	require.NoError(t, os.MkdirAll("/tmp/.X11-unix", 0o1777))
	number := strconv.Itoa(60000 + os.Getpid()%5000)
	listener, err := net.Listen("unix", "/tmp/.X11-unix/X"+number)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	return ":" + number, listener
}

// TestDialStuckServer: something listens and never says a word.
func TestDialStuckServer(t *testing.T) {
	display, _ := listen(t)
	_, err := xdisplay.Dial(t.Context(), display)
	require.ErrorIs(t, err, xdisplay.ErrStuck)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = xdisplay.Dial(ctx, display)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestDialShowsItsCookie: from an Xauthority file whose only entry is for any host and display, as the process driver writes it.
func TestDialShowsItsCookie(t *testing.T) {
	const name, cookie = "MIT-MAGIC-COOKIE-1", "sixteen bytes ok"
	file := filepath.Join(t.TempDir(), "xauthority")
	entry := "\xff\xff" + "\x00\x00" + "\x00\x00" + "\x00\x12" + name + "\x00\x10" + cookie
	require.NoError(t, os.WriteFile(file, []byte(entry), 0o600))
	t.Setenv("XAUTHORITY", file)

	display, listener := listen(t)
	said := make(chan string, 1)
	go func() {
		greeting := make([]byte, 12+20+16) // X Protocol, section 8: 12 bytes, then name and cookie padded to 4
		if conn, err := listener.Accept(); err == nil {
			_, _ = io.ReadFull(conn, greeting) // what is missing shows in the comparison
			_ = conn.Close()
		}
		said <- string(greeting)
	}()
	_, err := xdisplay.Dial(t.Context(), display)
	require.Error(t, err, "the listener hangs up")
	assert.Equal(t, name+"\x00\x00"+cookie, (<-said)[12:])
}

func TestRoundTrip(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	conn, err := xdisplay.Dial(t.Context(), server.Display+".0")
	require.NoError(t, err)
	t.Cleanup(conn.Abort)
	require.NoError(t, conn.RoundTrip(t.Context()))
	assert.Equal(t, uint16(320), xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).WidthInPixels)

	t.Run("a stopped server is noticed", func(t *testing.T) {
		require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
		defer func() { assert.NoError(t, server.Process.Signal(syscall.SIGCONT)) }()
		require.ErrorIs(t, conn.RoundTrip(t.Context()), xdisplay.ErrStuck)
		require.ErrorIs(t, conn.RoundTrip(t.Context()), xdisplay.ErrGone, "the connection is closed for good")
	})
}

func TestRoundTripAfterTheServersDeath(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	conn, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	t.Cleanup(conn.Abort)
	require.NoError(t, server.Process.Kill())
	require.Eventually(t, func() bool { return conn.RoundTrip(t.Context()) != nil }, 20*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, conn.RoundTrip(t.Context()), xdisplay.ErrGone)
}
