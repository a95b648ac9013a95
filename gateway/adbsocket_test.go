package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/bridge"
	"streamstack/events/eventstest"
)

// application is a TCP server in place of one, with the streamer's end of the bridge before it.
func (s *stack) application(id events.SessionID, serve func(*net.TCPConn)) {
	s.t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(s.t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = c.Close() }() // closed already, in some tests
				serve(c)
			})
		}
	})
	b := &bridge.Server{Conn: s.nats.Connect(s.t), Region: region, Session: id, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)),
		Dial: func(ctx context.Context) (bridge.Stream, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp4", l.Addr().String())
			if err != nil {
				return nil, fmt.Errorf("no application: %w", err)
			}
			tcp, ok := c.(*net.TCPConn)
			if !ok {
				return nil, fmt.Errorf("%T is no TCP connection", c)
			}
			return tcp, nil
		}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	running.Go(func() { _ = b.Run(ctx) }) // ends with its context
	s.t.Cleanup(func() {
		cancel()
		_ = l.Close() // ends the accepting
		running.Wait()
	})
}

func mirror(c *net.TCPConn) {
	_, _ = io.Copy(c, c) // until the end of either
	_ = c.CloseWrite()   // the other side may have gone
	_, _ = io.Copy(io.Discard, c)
}

// way asks a share's URL for the URL of its socket.
func (r *replica) way(share string) string {
	r.stack.t.Helper()
	a := r.open(share)
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	var way struct {
		URL string `json:"url"`
	}
	a.into(r.stack.t, &way)
	return way.URL
}

func (b *browser) bytes(data []byte) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	require.NoError(b.t, b.conn.Write(ctx, websocket.MessageBinary, data))
}

// piece is the next frame's content.
func (b *browser) piece() ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), within)
	defer cancel()
	kind, data, err := b.conn.Read(ctx)
	if err == nil && kind != websocket.MessageBinary {
		err = fmt.Errorf("a text frame: %s", data)
	}
	return data, err //nolint:wrapcheck // a test looks at it
}

// echoed sends bytes and waits until they have come back.
func (b *browser) echoed(text string) {
	b.t.Helper()
	b.bytes([]byte(text))
	for got := ""; got != text; {
		data, err := b.piece()
		require.NoError(b.t, err)
		got += string(data)
		require.True(b.t, strings.HasPrefix(text, got), got)
	}
}

// A mebibyte of any bytes through two gateways' worth of stack and back, in frames of any size, with an end for each
// direction; and what the history says of it.
func TestADBCarriesBytes(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.ready(c.ID, r)
	s.application(c.ID, mirror)
	x := r.newShare(c.ID)
	b := dial(t, r.way(x.URL))
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent) // never fails
	var writing sync.WaitGroup
	writing.Go(func() {
		for rest, n := sent, 1; len(rest) > 0; n = min(2*n, 512<<10) {
			n = min(n, len(rest))
			if err := b.conn.Write(t.Context(), websocket.MessageBinary, rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
		if err := b.conn.Write(t.Context(), websocket.MessageBinary, nil); err != nil { // the end of this direction
			t.Error(err)
		}
	})
	var got []byte
	for {
		data, err := b.piece()
		require.NoError(t, err)
		if len(data) == 0 {
			break
		}
		got = append(got, data...)
	}
	writing.Wait()
	require.True(t, bytes.Equal(sent, got), "%d bytes came back", len(got))
	_, err := b.piece()
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), "%v", err)
	var opened events.ShareOpenedData
	require.NoError(t, s.awaits(c.ID, "gateway.share_opened", 1).Decode(&opened))
	require.Equal(t, x.ID, opened.ID)
	var closed events.ShareClosedData
	require.NoError(t, s.awaits(c.ID, "gateway.share_closed", 1).Decode(&closed))
	require.Equal(t, events.ShareClosedData{ID: x.ID, Connection: opened.Connection, Reason: "both sides have closed", BytesUp: 1 << 20, BytesDown: 1 << 20}, closed)
}

// The application closes first: the user hears it, may still send, and who only reads is let go after a while.
func TestADBHalfClose(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	r.stack.ready(c.ID, r)
	heard := make(chan string, 2)
	r.stack.application(c.ID, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("bye")) // the user sees it
		_ = c.CloseWrite()            // as above
		text, _ := io.ReadAll(c)
		heard <- string(text)
	})
	x := r.newShare(c.ID)
	for _, says := range []string{"late words", ""} {
		b := dial(t, r.way(x.URL))
		data, err := b.piece()
		require.NoError(t, err)
		require.Equal(t, "bye", string(data))
		data, err = b.piece()
		require.NoError(t, err)
		require.Empty(t, data, "the application's end")
		if says != "" {
			b.bytes([]byte(says))
			b.bytes(nil)
		}
		_, err = b.piece()
		require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), "%v", err)
		require.Equal(t, says, <-heard)
	}
}

// A second use of a share interrupts the first, at whichever gateway; another share of the session is not touched.
func TestADBLastUseWins(t *testing.T) {
	t.Parallel()
	r := house(t)
	s, other := r.stack, r.stack.gateway()
	c := r.create()
	s.ready(c.ID, r, other)
	s.application(c.ID, mirror)
	x, y := r.newShare(c.ID), r.newShare(c.ID)
	bystander := dial(t, r.way(y.URL))
	bystander.echoed("hello")
	first := dial(t, r.way(x.URL))
	first.echoed("first")
	second := dial(t, other.way(x.URL))
	second.echoed("second")
	first.closed(closeReplaced)
	third := dial(t, r.way(x.URL))
	third.echoed("third")
	second.closed(closeReplaced)
	bystander.echoed("still here")
}

// Whatever ends the share or the session ends its use, in words.
func TestADBEnds(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.closeWait = 300 * time.Millisecond })
	s := r.stack
	for name, end := range map[string]struct {
		do     func(id events.SessionID, x shareAnswer, b *browser)
		code   websocket.StatusCode
		reason string
	}{
		"the share is deleted": {func(_ events.SessionID, x shareAnswer, _ *browser) {
			require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
		}, closeEnded, "the share is no longer good: deleted"},
		"the share expires": {func(id events.SessionID, x shareAnswer, _ *browser) {
			s.say(id, events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: x.ID, Reason: events.ShareExpired})
		}, closeEnded, "the share is no longer good: expired"},
		"the session is deleted": {func(id events.SessionID, _ shareAnswer, _ *browser) {
			require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(id), "").StatusCode)
		}, closeEnded, "the session has ended: deleted by tester"},
		"the instance crashes": {func(id events.SessionID, _ shareAnswer, _ *browser) {
			s.say(id, events.Agent, events.Failed, events.FailedData{Attempt: 1, Reason: "crash"})
		}, closeEnded, "the session failed: crash"},
		"the application closes": {func(_ events.SessionID, _ shareAnswer, b *browser) {
			b.bytes([]byte("close"))
		}, websocket.StatusNormalClosure, "closed by the application"},
		"text": {func(_ events.SessionID, _ shareAnswer, b *browser) {
			b.send("not bytes")
		}, websocket.StatusUnsupportedData, "binary frames only: they are the bytes of a TCP connection"},
		"the user leaves": {func(_ events.SessionID, _ shareAnswer, b *browser) {
			require.NoError(t, b.conn.Close(websocket.StatusNormalClosure, ""))
		}, 0, "closed by its user"},
		"the user vanishes": {func(_ events.SessionID, _ shareAnswer, b *browser) {
			require.NoError(t, b.conn.CloseNow())
		}, 0, "closed by its user"},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.create()
			s.ready(c.ID, r)
			s.application(c.ID, func(c *net.TCPConn) {
				buf := make([]byte, 16)
				for {
					n, err := c.Read(buf)
					if err != nil || string(buf[:n]) == "close" {
						_ = c.SetLinger(0) // a reset
						return
					}
					_, _ = c.Write(buf[:n]) // or the test sees it
				}
			})
			x := r.newShare(c.ID)
			b := dial(t, r.way(x.URL))
			b.echoed("hello")
			end.do(c.ID, x, b)
			if end.code != 0 {
				_, err := b.piece()
				var ce websocket.CloseError
				require.ErrorAs(t, err, &ce)
				require.Equal(t, websocket.CloseError{Code: end.code, Reason: end.reason}, ce)
			}
			var d events.ShareClosedData
			require.NoError(t, s.awaits(c.ID, "gateway.share_closed", 1).Decode(&d))
			require.Equal(t, end.reason, d.Reason)
		})
	}
	c := r.create()
	s.ready(c.ID, r)
	s.application(c.ID, mirror)
	b := dial(t, r.way(r.newShare(c.ID).URL))
	b.echoed("hello")
	require.NoError(t, r.stop())
	b.closed(websocket.StatusGoingAway)
}

// What leads nowhere is told apart: an application without a port before anything is opened, a port that does not answer
// and an instance that does not with a close code.
func TestADBLeadsNowhere(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	a := r.withoutADB()
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Equal(t, codeNoADB, a.Code)
	require.Contains(t, a.Error, "offers no ADB")

	c := r.create()
	s.ready(c.ID, r)
	x := r.newShare(c.ID)
	way := r.way(x.URL)
	require.Equal(t, http.StatusUpgradeRequired, r.open(way).StatusCode, "without an upgrade")
	b := &bridge.Server{Conn: s.nats.Connect(t), Region: region, Session: c.ID, Log: discard(),
		Dial: func(context.Context) (bridge.Stream, error) {
			return nil, fmt.Errorf("the application does not listen on port %d", 5555)
		}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	_, err := dial(t, way).piece()
	var ce websocket.CloseError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, websocket.CloseError{Code: closeUnreachable, Reason: "the application does not listen on port 5555"}, ce)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, r.open(way).StatusCode)
}

// A share's deletion is answered when nobody uses it any more, at whichever gateway.
func TestADBIsOverWhenItsShareIsDeleted(t *testing.T) {
	t.Parallel()
	const closing = 2 * time.Second // for who does not read what is said to him, as here
	slow := func(g *Gateway) { g.times.closeWait = closing }
	r := house(t, slow)
	s, other := r.stack, r.stack.gateway(slow)
	c := r.create()
	s.ready(c.ID, r, other)
	s.application(c.ID, mirror)
	x, y := r.newShare(c.ID), r.newShare(c.ID)
	bystander := dial(t, other.way(y.URL))
	bystander.echoed("hello")
	dial(t, other.way(x.URL)).echoed("hello")
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
	names, _ := s.history(c.ID)
	require.Contains(t, names, "gateway.share_closed")
	bystander.echoed("still here")
}

// Uses of a share leave no subscription behind, however they ended.
func TestADBUsesLeaveNothing(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.closeWait = 100 * time.Millisecond })
	s := r.stack
	c := r.create()
	s.ready(c.ID, r)
	s.application(c.ID, mirror)
	x := r.newShare(c.ID)
	before := r.cfg.Log.Conn().NumSubscriptions()
	for i := range 30 {
		b := dial(t, r.way(x.URL))
		b.echoed("hello")
		if i%2 == 0 {
			_ = b.conn.CloseNow()
		}
	}
	s.awaits(c.ID, "gateway.share_opened", 30)
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/shares/"+string(x.ID), "").StatusCode)
	s.awaits(c.ID, "gateway.share_closed", 30)
	eventstest.Wait(t, within, func() string {
		if n := r.cfg.Log.Conn().NumSubscriptions(); n > before {
			return fmt.Sprintf("%d subscriptions to end", n-before)
		}
		return ""
	})
}

// withoutADB opens a share of a session whose application names no port.
func (r *replica) withoutADB() answer {
	s := r.stack
	c := r.create()
	s.claim(c.ID, r)
	s.say(c.ID, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i"}, r)
	s.say(c.ID, events.Streamer, events.Ready, events.ReadyData{}, r)
	return r.open(r.newShare(c.ID).URL)
}

// Where NATS asks nobody for credentials the master's socket is refused with the reason. deployments/soak opens some.
func TestMasterSocket(t *testing.T) {
	t.Parallel()
	r := house(t)
	for _, path := range []string{"/1.0/sessions/x/sockets/master", "/1.0/session/x/sockets/master/?token=y"} {
		a := r.do(http.MethodGet, path, "", "Authorization", "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode)
		require.Equal(t, codeNoMaster, a.Code)
		require.Contains(t, a.Error, "asks nobody for credentials")
	}
}
