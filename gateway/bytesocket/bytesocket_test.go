package bytesocket

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

const patience = 20 * time.Second

var usual = Timing{PingEvery: time.Second, PingWait: 5 * time.Second, WriteWait: 5 * time.Second, CloseWait: time.Second}

// server serves each socket with serve, and gives a client's end of one.
func server(t *testing.T, times Timing, serve func(*Socket)) *websocket.Conn {
	t.Helper()
	var open sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		serve(New(context.WithoutCancel(r.Context()), conn, times))
	}))
	t.Cleanup(func() {
		srv.Close()
		open.Wait()
	})
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(srv.URL, "http", "ws", 1), nil) //nolint:bodyclose // the connection's
	require.NoError(t, err)
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() }) // closed already, mostly
	return conn
}

// next is the next frame.
func next(t *testing.T, conn *websocket.Conn) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, data, err := conn.Read(ctx)
	return data, err //nolint:wrapcheck // a test looks at it
}

// Frames of any size are one stream of bytes, an empty one is its end, and the close has its words.
func TestBytes(t *testing.T) {
	t.Parallel()
	conn := server(t, usual, func(s *Socket) {
		_, err := io.Copy(s, s)
		if err == nil {
			err = s.CloseWrite()
		}
		if err != nil {
			t.Error(err)
		}
		s.End(websocket.StatusNormalClosure, "done")
	})
	sent := make([]byte, 300_000)
	_, _ = rand.Read(sent) // never fails
	go func() {            // ends with the test at the latest
		for rest, n := sent, 1; len(rest) > 0; n *= 3 {
			n = min(n, len(rest))
			_ = conn.Write(t.Context(), websocket.MessageBinary, rest[:n]) // what is missing shows below
			rest = rest[n:]
		}
		_ = conn.Write(t.Context(), websocket.MessageBinary, nil) // as above
	}()
	var got []byte
	for {
		data, err := next(t, conn)
		require.NoError(t, err)
		if len(data) == 0 {
			break
		}
		got = append(got, data...)
	}
	require.True(t, bytes.Equal(sent, got), "%d bytes", len(got))
	_, err := next(t, conn)
	require.ErrorContains(t, err, "done")
}

// How the client's end shows: in order, or not.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		do   func(*websocket.Conn) error
		want error
	}{
		"closed":   {func(c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") }, nil},
		"an end":   {func(c *websocket.Conn) error { return c.Write(t.Context(), websocket.MessageBinary, nil) }, nil},
		"cut":      {func(c *websocket.Conn) error { return c.CloseNow() }, ErrGone},
		"an error": {func(c *websocket.Conn) error { return c.Close(websocket.StatusInternalError, "") }, ErrGone},
		"text":     {func(c *websocket.Conn) error { return c.Write(t.Context(), websocket.MessageText, []byte("x")) }, ErrText},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := make(chan error, 1)
			conn := server(t, usual, func(s *Socket) {
				_, err := io.Copy(io.Discard, s)
				result <- err
				s.End(websocket.StatusNormalClosure, "")
			})
			require.NoError(t, x.do(conn))
			require.ErrorIs(t, <-result, x.want)
		})
	}
}

// Who does not read, since the other end is busy, is still there: its answers to pings are behind its bytes.
func TestStalledIsNotGone(t *testing.T) {
	t.Parallel()
	busy := usual
	busy.PingEvery, busy.PingWait = 10*time.Millisecond, time.Second
	stalled, result := make(chan struct{}), make(chan int64, 1)
	conn := server(t, busy, func(s *Socket) {
		<-stalled
		n, err := io.Copy(io.Discard, s)
		if err != nil {
			t.Error(err)
		}
		result <- n
		s.End(websocket.StatusNormalClosure, "")
	})
	reading := conn.CloseRead(t.Context())
	require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 4*chunk)))
	select {
	case <-reading.Done():
		t.Fatal("cut off")
	case <-time.After(3 * busy.PingWait): // the time is what is tested
	}
	close(stalled)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, nil))
	require.Equal(t, int64(4*chunk), <-result)
}

// Who sends is there, also where the answer to a ping is late; who then says nothing more has gone.
func TestWhoSendsIsThere(t *testing.T) {
	t.Parallel()
	hasty := usual
	hasty.PingEvery, hasty.PingWait = 10*time.Millisecond, 2*time.Second
	result := make(chan error, 1)
	conn := server(t, hasty, func(s *Socket) {
		_, err := io.Copy(io.Discard, s)
		result <- err
		s.End(websocket.StatusNormalClosure, "")
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * hasty.PingWait); time.Now().Before(end); <-tick.C { // nobody reads here, so nobody answers
		require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, []byte("x")))
	}
	select {
	case err := <-result:
		t.Fatalf("cut off: %v", err)
	default:
	}
	select {
	case err := <-result:
		require.ErrorIs(t, err, ErrGone)
	case <-time.After(patience):
		t.Fatal("who is silent is not missed")
	}
}

// Who says nothing after the other end has finished is taken to have finished too.
func TestSilenceAfterTheEnd(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	conn := server(t, usual, func(s *Socket) {
		if err := s.CloseWrite(); err != nil {
			t.Error(err)
		}
		_, err := s.Read(make([]byte, 1))
		result <- err
		s.End(websocket.StatusNormalClosure, "")
	})
	data, err := next(t, conn)
	require.NoError(t, err)
	require.Empty(t, data)
	_, err = next(t, conn)
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), "%v", err)
	require.ErrorIs(t, <-result, io.EOF)
}
