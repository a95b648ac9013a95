package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-5d3e-4000-8000-00000000abcd"
	// patience bounds every wait.
	patience = 20 * time.Second
)

// port is a TCP server that does with each connection what serve does.
func port(t *testing.T, serve func(*net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = c.Close() }() // closed already, in some tests
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		open.Wait()
	})
	return l.Addr().String()
}

// echo sends everything back, and then its end.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c) // until the end of either
	_ = c.CloseWrite()   // the other side may have gone
	_, _ = io.Copy(io.Discard, c)
}

func asTCP(c net.Conn) (*net.TCPConn, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%T is no TCP connection", c)
	}
	return tcp, nil
}

// site is a streamer's end before a TCP server, and a gateway's connection.
type site struct {
	t      *testing.T
	server *eventstest.Server
	nc     *nats.Conn
}

func newSite(t *testing.T, serve func(*net.TCPConn)) *site {
	t.Helper()
	s := &site{t: t, server: eventstest.Start(t)}
	s.nc = s.server.Connect(t)
	address := port(t, serve)
	s.serve(func(ctx context.Context) (Stream, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
		if err != nil {
			return nil, err //nolint:wrapcheck // a test's
		}
		return asTCP(c)
	})
	return s
}

// serve runs a streamer's end until the test ends, and returns what ends it before.
func (s *site) serve(dial func(context.Context) (Stream, error)) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	b := &Server{Conn: s.server.Connect(s.t), Region: region, Session: session, Dial: dial, Log: slog.New(slog.NewTextHandler(s.t.Output(), nil))}
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.t.Errorf("the streamer's end: %v", err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *site) dial(token string) (*Connection, error) {
	return Dial(s.t.Context(), s.nc, Address{region, session, token})
}

// user is whoever uses a connection: the other end of its local stream.
type user struct {
	*net.TCPConn
	result chan error
	totals Totals
}

// use carries a connection to a user.
func (s *site) use(token string) *user {
	s.t.Helper()
	c, err := s.dial(token)
	require.NoError(s.t, err)
	near, far := pair(s.t)
	u := &user{TCPConn: near, result: make(chan error, 1)}
	require.NoError(s.t, near.SetDeadline(time.Now().Add(patience)))
	go func() {
		var err error
		u.totals, err = c.Run(s.t.Context(), far)
		u.result <- err
	}()
	return u
}

func (u *user) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-u.result:
		return err
	case <-time.After(patience):
		t.Fatal("the connection did not end")
		return nil
	}
}

// pair is two ends of a TCP connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", l.Addr().String())
	require.NoError(t, err)
	a, err = asTCP(c)
	require.NoError(t, err)
	b, err = l.AcceptTCP()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	t.Cleanup(func() { _, _ = a.Close(), b.Close() }) // closed already, in most tests
	return a, b
}

// A mebibyte and more of any bytes goes there and back, and the ends go their way one after the other.
func TestBytesBothWays(t *testing.T) {
	t.Parallel()
	s := newSite(t, echo)
	u := s.use("c1")
	sent := make([]byte, 3<<20+7)
	_, _ = rand.Read(sent) // never fails
	var writing sync.WaitGroup
	writing.Go(func() {
		_, err := u.Write(sent)
		if err = errors.Join(err, u.CloseWrite()); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(u)
	writing.Wait()
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got), "%d bytes came back of %d", len(got), len(sent))
	require.NoError(t, u.end(t))
	require.Equal(t, Totals{Out: uint64(len(sent)), In: uint64(len(sent))}, u.totals)
}

// Each end may close first; the other direction goes on.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1)
	s := newSite(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("welcome")) // the user sees it
		_ = c.CloseWrite()                // as above
		text, _ := io.ReadAll(c)
		heard <- string(text)
	})
	u := s.use("c1")
	got, err := io.ReadAll(u)
	require.NoError(t, err)
	require.Equal(t, "welcome", string(got))
	_, err = u.Write([]byte("late"))
	require.NoError(t, err)
	require.NoError(t, u.CloseWrite())
	require.NoError(t, u.end(t))
	select {
	case text := <-heard:
		require.Equal(t, "late", text)
	case <-time.After(patience):
		t.Fatal("the port heard nothing")
	}
}

// A port that does not read holds the writer back: no more than the window and the sockets' buffers is taken.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	s := newSite(t, func(c *net.TCPConn) {
		_ = c.SetReadBuffer(16 << 10) // a smaller test otherwise
		<-read
		echo(c)
	})
	c, err := s.dial("c1")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Totals, 1)
	go func() {
		totals, _ := c.Run(ctx, source{})
		done <- totals
	}()
	last := 0
	eventstest.Wait(t, patience, func() string {
		c.link.outgoing.mu.Lock()
		defer c.link.outgoing.mu.Unlock()
		if int(c.link.outgoing.sent-c.link.outgoing.passed) < window {
			return "a full window"
		}
		if sent := int(c.link.outgoing.sent); sent != last {
			last = sent
			return "a writer that is held back"
		}
		return ""
	})
	close(read)
	eventstest.Wait(t, patience, func() string {
		if c.link.outgoing.total() < uint64(last)+4*window {
			return "the writer going on"
		}
		return ""
	})
	cancel()
	<-done
}

// source is a stream that never runs dry, and takes everything.
type source struct{}

func (source) Read(p []byte) (int, error)  { return len(p), nil }
func (source) Write(p []byte) (int, error) { return len(p), nil }
func (source) CloseWrite() error           { return nil }
func (source) Close() error                { return nil }

// What cannot be reached, what is asked for by two, and what nobody serves.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := &site{t: t, server: eventstest.Start(t)}
	s.nc = s.server.Connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*openRetry)
	defer cancel()
	_, err := Dial(ctx, s.nc, Address{region, session, "c0"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = Dial(t.Context(), s.nc, Address{region, "*", "c0"})
	require.ErrorContains(t, err, "no address")
	s.serve(func(context.Context) (Stream, error) { return nil, errors.New("the application does not listen") })
	_, err = s.dial("c1")
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "the application does not listen")
}

// The end of one side ends the other, with what was sent before.
func TestEndOfOneSide(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]struct {
		serve func(*net.TCPConn)
		act   func(*site, *user)
	}{
		"the port resets": {func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)); _ = c.SetLinger(0) }, func(_ *site, u *user) { _, _ = u.Write([]byte("x")) }},
		"the user resets": {echo, func(_ *site, u *user) { _ = u.SetLinger(0); _ = u.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, do.serve)
			u := s.use("c1")
			do.act(s, u)
			require.Error(t, u.end(t))
		})
	}
	t.Run("the streamer stops", func(t *testing.T) {
		t.Parallel()
		s := &site{t: t, server: eventstest.Start(t)}
		s.nc = s.server.Connect(t)
		near, far := pair(t)
		stop := s.serve(func(context.Context) (Stream, error) { return far, nil })
		u := s.use("c1")
		_, err := near.Write([]byte("last words"))
		require.NoError(t, err)
		got := make([]byte, 10)
		_, err = io.ReadFull(u, got)
		require.NoError(t, err)
		stop()
		require.ErrorIs(t, u.end(t), ErrEnded)
	})
}

// A lost message is never papered over: the connection ends.
func TestLoss(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]frame{
		"a gap":              {kind: kindData, number: 5, data: []byte("x")},
		"an early end":       {kind: kindEOF, number: 1},
		"credit for nothing": {kind: kindCredit, number: 1},
		"too much at a time": {kind: 'd', number: 0, data: make([]byte, maxChunk+1)},
		"no frame":           {kind: '?'},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, echo)
			u := s.use("c1")
			require.NoError(t, s.nc.Publish(Subject(region, session, "c1", wayDown), f.encode()))
			err := u.end(t)
			require.True(t, errors.Is(err, ErrLost) || errors.Is(err, errFrame), "%v", err)
		})
	}
}

func TestOverrun(t *testing.T) {
	t.Parallel()
	i := incoming{changed: newSignal()}
	for n := range uint64(window / maxChunk) {
		require.NoError(t, i.add(frame{kind: kindData, number: n * maxChunk, data: make([]byte, maxChunk)}))
	}
	require.ErrorIs(t, i.add(frame{kind: kindData, number: window, data: []byte{1}}), ErrLost)
	chunk, err := i.wait(t.Context())
	require.NoError(t, err)
	i.pass(len(chunk))
	require.NoError(t, i.add(frame{kind: kindData, number: window, data: []byte{1}}))
}

// A server that restarts takes messages along; both sides notice, and the next connection works.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	s := newSite(t, echo)
	u := s.use("c1")
	_, err := u.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(u, make([]byte, 1))
	require.NoError(t, err)
	s.server.Restart()
	eventstest.Wait(t, patience, func() string {
		if !s.nc.IsConnected() {
			return "the connection"
		}
		return ""
	})
	next := s.use("c2")
	require.NoError(t, next.CloseWrite())
	require.NoError(t, next.end(t))
}

func FuzzFrame(f *testing.F) {
	for _, x := range []frame{{kind: kindOpened}, {kind: kindData, number: 7, data: []byte("bytes")}, {kind: kindEnd, data: []byte("why")}, {kind: kindCredit, number: 1 << 63}} {
		f.Add(x.encode())
	}
	f.Add([]byte("d"))
	f.Fuzz(func(t *testing.T, message []byte) {
		x, err := decode(message)
		if err != nil {
			require.ErrorIs(t, err, errFrame)
			return
		}
		require.Equal(t, message, x.encode())
		i, o := incoming{changed: newSignal()}, outgoing{changed: newSignal()}
		o.take(10)
		switch x.kind { // whatever it says, nothing is taken that is not the next
		case kindData:
			require.Equal(t, x.number == 0, i.add(x) == nil)
		case kindEOF:
			require.Equal(t, x.number == 0, i.finish(x.number) == nil)
		case kindCredit:
			require.Equal(t, x.number <= 10, o.credit(x.number) == nil, fmt.Sprint(x.number))
		}
	})
}
