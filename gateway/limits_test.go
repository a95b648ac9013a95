package gateway

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/limit"
)

// The limits of one socket: messages a second, and the size of one.
func TestFloodAndOversize(t *testing.T) {
	t.Parallel()
	r := house(t)
	var c created
	for _, kind := range []websocket.MessageType{websocket.MessageBinary, websocket.MessageText} {
		c = r.create()
		b := dial(t, c.URL)
		b.floods(kind)
		b.fails(whyFlood, websocket.StatusPolicyViolation)
	}
	b := dial(t, r.create().URL)
	b.send(`{"type":"settings","x":"` + strings.Repeat("x", int(limit.Default().MessageBytes)) + `"}`)
	b.fails("more than 131072 bytes", websocket.StatusMessageTooBig)
	var d events.DetachedData
	require.NoError(t, r.stack.awaits(c.ID, "client.detached", 1).Decode(&d))
	require.Equal(t, int(websocket.StatusPolicyViolation), d.Code)
}

// floods says more than is allowed, of no meaning, so that nothing holds it up.
func (b *browser) floods(kind websocket.MessageType) {
	b.t.Helper()
	for range 3 * limit.Default().MessageBurst {
		if b.conn.Write(b.t.Context(), kind, []byte(`x`)) != nil {
			return // cut off
		}
	}
}

// A panic of what reads a socket ends that socket, and not the gateway.
func TestReadersPanic(t *testing.T) {
	t.Parallel()
	r := house(t)
	ended := make(chan error, 2)
	go (&wire{g: r.Gateway}).read(t.Context(), nil, ended) // it has no connection
	go func() { ended <- (&master{g: r.Gateway}).read(t.Context()) }()
	for range cap(ended) {
		var c closing
		require.ErrorAs(t, <-ended, &c)
		require.Equal(t, websocket.StatusInternalError, c.code)
	}
}

// talkative makes the streamer say more than a socket's buffers hold (see narrow).
func (s *stack) talkative(id events.SessionID) {
	s.t.Helper()
	peer := s.peerOf(id)
	for range 4 {
		s.offer(id, peer, strings.Repeat("x", 200<<10))
	}
}

// A client that does not read is cut off, and the log says that it went.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.writeWait = 500 * time.Millisecond })
	c := r.create()
	dial(t, c.URL)
	r.stack.awaits(c.ID, "client.attached", 1)
	r.stack.ready(c.ID)
	r.stack.talkative(c.ID)
	var d events.DetachedData
	require.NoError(t, r.stack.awaits(c.ID, "client.detached", 1).Decode(&d))
	require.Equal(t, 1006, d.Code)
}

// A view that nobody takes events from is dropped; the others go on.
func TestHubDropsTheSlow(t *testing.T) {
	t.Parallel()
	h := newHub()
	slow, _ := h.subscribe("s", func() {})
	quick, _ := h.subscribe("s", func() {})
	for i := range socketQueue + 1 {
		h.publish(events.Event{Session: "s", Sequence: events.Seq(i + 1)})
		require.Equal(t, events.Seq(i+1), (<-quick.events).Sequence)
	}
	for range socketQueue {
		<-slow.events
	}
	_, open := <-slow.events
	require.False(t, open)
	require.Equal(t, whySlow, slow.why)
	slow.end()
	h.close()
	_, open = <-quick.events
	require.False(t, open)
	require.Equal(t, whyStopping, quick.why)
	_, ok := h.subscribe("s", func() {})
	require.False(t, ok, "none after the stop")
	quick.end()
	h.wait(0)
	require.Empty(t, h.subs)
	require.Empty(t, h.all)
}

// A client that answers pings stays for as long as it likes; one that does not is gone.
func TestPing(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.pingEvery, g.times.pingWait = 50*time.Millisecond, 3*time.Second })
	there, silent := r.create(), r.create()
	pings := make(chan struct{}, 100)
	conn, _, err := websocket.Dial(t.Context(), there.URL, &websocket.DialOptions{ //nolint:bodyclose // the body is the connection's
		OnPingReceived: func(context.Context, []byte) bool {
			select {
			case pings <- struct{}{}:
			default:
			}
			return true
		}})
	require.NoError(t, err)
	ctx := conn.CloseRead(t.Context())
	dial(t, silent.URL) // nobody reads, so nobody answers
	var d events.DetachedData
	require.NoError(t, r.stack.awaits(silent.ID, "client.detached", 1).Decode(&d))
	require.Equal(t, 1006, d.Code)
	for range 10 {
		<-pings
	}
	require.NoError(t, ctx.Err(), "still there")
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
}

// A gateway that stops closes its sockets in order, whether their clients read or not, and leaves no goroutine. Requests
// under way are answered. Not parallel: it counts goroutines.
func TestStop(t *testing.T) {
	s := newStack(t)
	first := s.gateway()
	s.agent("a1", 100, "testcard")
	first.serving("testcard")
	before := 0
	for round := range 2 {
		r := s.gateway()
		r.serving("testcard")
		reads, stuck := r.create(), r.create()
		resumes := r.create()
		good := dial(t, reads.URL)
		returning := dial(t, resumes.URL+"&after=0")
		bad := dial(t, stuck.URL)
		s.awaits(reads.ID, "client.attached", 1)
		s.awaits(resumes.ID, "client.attached", 1)
		s.awaits(stuck.ID, "client.attached", 1)
		s.ready(stuck.ID)
		s.talkative(stuck.ID)
		waits := make(chan error, 1)
		go func() {
			a, err := r.try(http.MethodDelete, "/1.0/sessions/"+string(stuck.ID)+"?sync=true", "")
			if err == nil && a.StatusCode != http.StatusServiceUnavailable {
				err = fmt.Errorf("%d %s", a.StatusCode, a.Error)
			}
			waits <- err
		}()
		s.awaits(stuck.ID, "gateway.terminating", 1)
		stopped := make(chan error, 1)
		begun := time.Now()
		go func() { stopped <- r.stop() }()
		good.fails(whyStopping, websocket.StatusGoingAway)
		returning.closed(websocket.StatusGoingAway) // with nothing that would end it
		require.NoError(t, <-waits)
		require.NoError(t, <-stopped)
		require.Less(t, time.Since(begun), within)
		_ = bad.conn.CloseNow() // the test's own end
		r.cfg.Log.Conn().Close()
		if round == 0 {
			before = runtime.NumGoroutine()
			continue
		}
		eventstest.Wait(t, within, func() string {
			if n := runtime.NumGoroutine(); n > before+3 { // the NATS server's housekeeping comes and goes
				buf := make([]byte, 1<<20)
				return fmt.Sprintf("%d goroutines to end\n%s", n-before, buf[:runtime.Stack(buf, true)])
			}
			return ""
		})
	}
}
