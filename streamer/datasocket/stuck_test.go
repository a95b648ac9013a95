package datasocket

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"streamstack/events/eventstest"
	"streamstack/streamer/peer/peertest"
)

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A program that takes nothing makes the page's queue grow; after the stall limit it is disconnected, and the next is served.
func TestStuckProgram(t *testing.T) {
	t.Parallel()
	r := start(t, "stuck", 2*time.Second)
	stuck := r.connect()
	_, err := stuck.Write([]byte("here"))
	require.NoError(t, err)
	r.untilPage("here") // it is served
	const messages = 40 // fewer than cost the page its channel
	for range messages {
		require.NoError(t, r.page.Send(make([]byte, 64<<10)))
	}
	eventstest.Wait(t, peertest.Patience, func() string {
		if !hungUp(t, stuck) {
			return "the end of its connection"
		}
		return ""
	})
	require.NoError(t, stuck.SetReadDeadline(time.Now().Add(peertest.Patience)))
	n, err := io.Copy(io.Discard, stuck)
	require.NoError(t, err, "it sees the end of the stream")
	require.Less(t, n, int64(messages*64<<10))
	next := r.connect()
	require.NoError(t, r.page.SendText("again"))
	// What was not given to the first comes first.
	rest := &strings.Builder{}
	for !strings.HasSuffix(rest.String(), "again") {
		buffer := make([]byte, 64<<10)
		require.NoError(t, next.SetReadDeadline(time.Now().Add(peertest.Patience)))
		n, err := next.Read(buffer)
		require.NoError(t, err)
		rest.Write(buffer[:n])
	}
	require.Less(t, n+int64(rest.Len()), int64(messages*64<<10), "the message that it began to take has gone with it")
}

// A program that takes nothing of a great deal loses the channel: both sides see its end.
func TestStuckProgramOfAPageThatPushes(t *testing.T) {
	t.Parallel()
	r := start(t, "pushed", peertest.Patience)
	stuck := r.connect()
	_, err := stuck.Write([]byte("here"))
	require.NoError(t, err)
	r.untilPage("here") // it is served
	closed := make(chan struct{})
	r.page.OnClose(func() { close(closed) })
	const messages = 300 // 19 MiB
	for range messages {
		if r.page.Send(make([]byte, 64<<10)) != nil {
			break // it has ended already
		}
	}
	select {
	case <-closed:
	case <-time.After(peertest.Patience):
		t.Fatal("the page does not see the end of the channel")
	}
	require.NoError(t, stuck.SetReadDeadline(time.Now().Add(peertest.Patience)))
	n, err := io.Copy(io.Discard, stuck)
	require.NoError(t, err, "it has what came before, and the end")
	require.Positive(t, n)
	require.Less(t, n, int64(messages*64<<10))
	require.EqualValues(t, n, r.end().ToProgram)
}

// hungUp tells whether the other side has closed, without reading.
func hungUp(t *testing.T, conn *net.UnixConn) bool {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var fds []unix.PollFd
	require.NoError(t, raw.Control(func(fd uintptr) {
		fds = []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err = unix.Poll(fds, 0)
	}))
	return err == nil && fds[0].Revents != 0 // interrupted, now and then
}
