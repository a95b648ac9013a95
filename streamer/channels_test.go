package streamer

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// page is a client with a channel of its own.
func page(t *testing.T, r *rig, label, settings string) (*browser, *webrtc.DataChannel, chan string) {
	t.Helper()
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	channel, err := b.pc.CreateDataChannel(label, nil)
	require.NoError(t, err)
	got := make(chan string, 16)
	channel.OnMessage(func(m webrtc.DataChannelMessage) { got <- string(m.Data) })
	b.signal()
	b.join()
	b.settings(settings)
	b.watch()
	return b, channel, got
}

// socket waits for a channel's socket and connects to it.
func socket(t *testing.T, r *rig, label string) net.Conn {
	t.Helper()
	var conn net.Conn
	eventstest.Wait(t, patience, func() (missing string) {
		var err error
		if conn, err = (&net.Dialer{}).DialContext(t.Context(), "unix", filepath.Join(r.cfg.DataSockets, "webrtc_data_"+label)); err != nil {
			return err.Error()
		}
		return ""
	})
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// sockets are the names in the folder.
func sockets(r *rig) (names []string) {
	entries, _ := os.ReadDir(r.cfg.DataSockets) // none before the first
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// socketFolder is where the sockets of a page's channels may be made.
func socketFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "ds-") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return filepath.Join(folder, "sockets")
}

// A page's channel is a socket in the instance while its client is there; the next client's are made anew, from its settings.
func TestPageChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.DataSockets = socketFolder(t)
	r.start()
	_, first, got := page(t, r, "chat", `{"api_version":2,"data_channels":["chat","never-made"]}`)
	program := socket(t, r, "chat")
	require.NoError(t, first.SendText("from the page"))
	text := make([]byte, len("from the page"))
	_, err := io.ReadFull(program, text)
	require.NoError(t, err)
	require.Equal(t, "from the page", string(text))
	_, err = program.Write([]byte("from the program"))
	require.NoError(t, err)
	require.Equal(t, "from the program", <-got)
	require.Equal(t, []string{"webrtc_data_chat"}, sockets(r))

	second, _, _ := page(t, r, "foo", `{"api_version":2,"data_channels":["foo"]}`)
	_, err = program.Read(text)
	require.ErrorIs(t, err, io.EOF, "the displaced client's channel is gone")
	socket(t, r, "foo")
	require.Equal(t, []string{"webrtc_data_foo"}, sockets(r))
	second.send(`{"type":"stream::disconnect"}`)
	r.gone(second.id)
	require.Empty(t, sockets(r))

	other, refused, _ := page(t, r, "unnamed", `{"api_version":2,"data_channels":["foo"]}`)
	eventstest.Wait(t, patience, func() string {
		if s := refused.ReadyState(); s != webrtc.DataChannelStateClosed {
			return "the channel that the settings do not name is " + s.String()
		}
		return ""
	})
	require.Empty(t, sockets(r))
	other.send(`{"type":"stream::disconnect"}`)
	r.gone(other.id)
}
