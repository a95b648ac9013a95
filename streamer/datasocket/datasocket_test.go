package datasocket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/peer"
	"streamstack/streamer/peer/peertest"
)

// rig is a page with a channel, and its socket.
type rig struct {
	t      *testing.T
	folder string
	page   *webrtc.DataChannel
	peer   *peer.Peer
	served chan Stats
	cancel context.CancelFunc
	mu     sync.Mutex
	got    bytes.Buffer // at the page
	texts  []string     // of them, the strings
	take   chan struct{}
}

func start(t *testing.T, label string, stall time.Duration) *rig {
	t.Helper()
	// The test's own folder may have a long name.
	folder, err := os.MkdirTemp("", "ds-") //nolint:usetesting // as the comment says
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	r := &rig{t: t, folder: folder, served: make(chan Stats, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	opened := make(chan *peer.Channel, 1)
	p, client := peertest.Connect(t, peer.Config{
		ID: "test", Settings: peer.Settings{APIVersion: 2, DataChannels: []string{label}}, Log: slog.New(slog.DiscardHandler),
		Handlers: peer.Handlers{Channel: func(c *peer.Channel) { opened <- c }},
	})
	r.peer, r.page = p, client.Channels[label]
	r.page.OnMessage(func(m webrtc.DataChannelMessage) {
		if r.take != nil {
			<-r.take
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got.Write(m.Data)
		if m.IsString {
			r.texts = append(r.texts, string(m.Data))
		}
	})
	var c *peer.Channel
	select {
	case c = <-opened:
	case <-time.After(peertest.Patience):
		t.Fatal("the channel did not open")
	}
	peertest.Opened(t, r.page)
	go func() {
		stats, err := Serve(ctx, Config{Folder: folder, Log: slog.New(slog.DiscardHandler), Stall: stall}, c)
		if err != nil {
			t.Error(err)
		}
		r.served <- stats
	}()
	t.Cleanup(func() { cancel(); p.Close(peer.Gone) })
	return r
}

func (r *rig) path() string { return filepath.Join(r.folder, "webrtc_data_"+r.page.Label()) }

// connect is a program that connects to the socket.
func (r *rig) connect() *net.UnixConn {
	r.t.Helper()
	var conn net.Conn
	eventstest.Wait(r.t, peertest.Patience, func() string {
		var err error
		if conn, err = (&net.Dialer{}).DialContext(r.t.Context(), "unix", r.path()); err != nil {
			return err.Error()
		}
		return ""
	})
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UnixConn) //nolint:forcetypeassert,errcheck // of network unix
}

func (r *rig) atPage() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func (r *rig) untilPage(want string) {
	r.t.Helper()
	eventstest.Wait(r.t, peertest.Patience, func() string {
		if got := r.atPage(); got != want {
			return fmt.Sprintf("%q at the page, which has %q", want, got)
		}
		return ""
	})
}

func read(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(peertest.Patience)))
	got := make([]byte, len(want))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func (r *rig) end() Stats {
	r.t.Helper()
	select {
	case s := <-r.served:
		return s
	case <-time.After(peertest.Patience):
		r.t.Fatal("the bridge did not end")
		return Stats{}
	}
}

// noise is incompressible, and partly text, so that both kinds of message occur.
func noise(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, 0, size)
	for len(data) < size {
		n := random.IntN(50_000) + 1
		if random.IntN(2) == 0 {
			data = append(data, strings.Repeat("añ€😀", n/10+1)...)
			continue
		}
		for range n {
			data = append(data, byte(random.Uint32()))
		}
	}
	return data[:size]
}

// Tens of megabytes both ways at once arrive as they were, and what waits in between stays small.
func TestBulkBothWays(t *testing.T) {
	const size = 12 << 20
	r := start(t, "bulk", 0)
	program := r.connect()
	up, down := noise(1, size), noise(2, size)
	low := make(chan struct{}, 1)
	r.page.SetBufferedAmountLowThreshold(256 << 10)
	r.page.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	var work sync.WaitGroup
	work.Go(func() { // the page sends, and looks at its queue as pages do
		for rest := down; len(rest) > 0; {
			n := min(len(rest), 64<<10)
			if err := r.page.Send(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
			for r.page.BufferedAmount() > 1<<20 {
				select {
				case <-low:
				case <-time.After(4 * peertest.Patience):
					t.Errorf("%d bytes wait at the page", r.page.BufferedAmount())
					return
				}
			}
		}
	})
	work.Go(func() { // the program writes
		if _, err := program.Write(up); err != nil {
			t.Error(err)
		}
	})
	hash := sha256.New()
	work.Go(func() { // and reads
		if _, err := io.CopyN(hash, program, size); err != nil {
			t.Error(err)
		}
	})
	work.Wait()
	require.Equal(t, sha256.Sum256(down), [32]byte(hash.Sum(nil)), "what the page sent")
	eventstest.Wait(t, 4*peertest.Patience, func() string { // some minutes for a slow machine under the race detector
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.got.Len() < size {
			return fmt.Sprintf("%d of %d bytes at the page", r.got.Len(), size)
		}
		return ""
	})
	require.Equal(t, sha256.Sum256(up), sha256.Sum256([]byte(r.atPage())), "what the program sent")
	require.NotEmpty(t, r.texts)
	r.cancel()
	r.peer.Close(peer.Gone)
	require.Equal(t, Stats{ToPage: size, ToProgram: size}, r.end())
	_, err := os.Lstat(r.path())
	require.ErrorIs(t, err, os.ErrNotExist, "the socket is gone with its channel")
}

// A page that does not read makes the program wait, with little in between.
func TestSlowPageHoldsTheProgramBack(t *testing.T) {
	r := start(t, "slow", 0)
	r.take = make(chan struct{})
	program := r.connect()
	const size = 32 << 20
	written := make(chan int, 1)
	require.NoError(t, program.SetWriteDeadline(time.Now().Add(2*time.Second)))
	before := heap()
	n, err := program.Write(noise(3, size))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nobody reads, so the write cannot have ended")
	written <- n
	require.Less(t, n, 8<<20, "what fits in all buffers between the two")
	require.Less(t, heap()-before, int64(size+(16<<20)), "of which 32 MiB are the test's own")
	close(r.take)
	eventstest.Wait(t, peertest.Patience, func() string {
		if got := len(r.atPage()); got != n {
			return fmt.Sprintf("%d bytes at the page, which has %d", n, got)
		}
		return ""
	})
}

// What the page sends while nobody is connected is kept for the next program, the oldest dropped first.
func TestNobodyConnected(t *testing.T) {
	t.Parallel()
	r := start(t, "later", 0)
	require.NoError(t, r.page.SendText("lost"))
	require.NoError(t, r.page.Send(bytes.Repeat([]byte{7}, maxHeld-2)))
	require.NoError(t, r.page.SendText("ok"))
	eventstest.Wait(t, peertest.Patience, func() string { // all is on the other side
		if n := r.page.BufferedAmount(); n > 0 {
			return fmt.Sprintf("%d bytes at the page", n)
		}
		return ""
	})
	first := r.connect()
	read(t, first, string(bytes.Repeat([]byte{7}, maxHeld-2))+"ok")
	require.NoError(t, first.Close())
	second := r.connect() // it reconnects
	_, err := second.Write([]byte("hello"))
	require.NoError(t, err)
	r.untilPage("hello")
	require.NoError(t, r.page.SendText("you"))
	read(t, second, "you")
	r.cancel()
	r.peer.Close(peer.Gone)
	require.Equal(t, uint64(len("lost")), r.end().Dropped)
}

// A second program is refused while the first is there; one that only listens any more makes room.
func TestOneProgramAtATime(t *testing.T) {
	t.Parallel()
	r := start(t, "one", 0)
	first := r.connect()
	_, err := first.Write([]byte("1"))
	require.NoError(t, err)
	r.untilPage("1")
	second := r.connect()
	require.NoError(t, second.SetReadDeadline(time.Now().Add(peertest.Patience)))
	_, err = second.Read(make([]byte, 1))
	require.True(t, errors.Is(err, io.EOF), "refused: %v", err)
	require.NoError(t, first.CloseWrite())
	require.NoError(t, r.page.SendText("for the first"))
	read(t, first, "for the first")
	third := r.connect()
	_, err = third.Write([]byte("3"))
	require.NoError(t, err)
	r.untilPage("13")
}

// Text goes as strings also where a character comes in two parts; its beginning alone goes as what it is.
func TestCharactersInParts(t *testing.T) {
	t.Parallel()
	r := start(t, "text", 0)
	program := r.connect()
	for _, part := range []string{"a\xe2\x82", "\xac", "\xf0\x9f"} {
		_, err := program.Write([]byte(part))
		require.NoError(t, err)
	}
	r.untilPage("a€\xf0\x9f")
	require.NoError(t, program.Close())
}

// The page closes its channel: the program sees the end, and the socket is gone.
func TestPageCloses(t *testing.T) {
	t.Parallel()
	r := start(t, strings.Repeat("n", 64), 0) // the longest name
	program := r.connect()
	_, err := program.Write([]byte("x"))
	require.NoError(t, err)
	r.untilPage("x")
	info, err := os.Stat(r.path())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	require.NoError(t, r.page.Close())
	require.Equal(t, Stats{ToPage: 1}, r.end())
	_, err = program.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = os.Lstat(r.path())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A socket that a process that is gone left there is replaced, and a folder too long for an address is no obstacle.
func TestLeftBehindAndLongFolder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	for range 2 {
		l, _, err := listen(t.Context(), folder, "webrtc_data_x")
		require.NoError(t, err)
		require.NoError(t, l.Close()) // without removing it
	}
	_, _, err := listen(t.Context(), "/dev/null/x", "webrtc_data_x")
	require.ErrorContains(t, err, "folder of the sockets")
}

func TestCutText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		out  string
		text bool
	}{
		"plain": {"plain", true}, "a€": {"a€", true}, "a\xe2\x82": {"a", true}, "\xe2": {"", true},
		"\xff": {"\xff", false}, "\xffa\xe2": {"\xffa\xe2", false}, "a\x80\x80\x80\x80": {"a\x80\x80\x80\x80", false},
	} {
		out, text := cutText([]byte(in))
		require.Equal(t, want.out, string(out), "%q", in)
		require.Equal(t, want.text, text, "%q", in)
	}
}
