package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
	"streamstack/gateway/limit"
	"streamstack/gateway/metrics"
	"streamstack/projections"
)

// The master sockets of this package's tests are of a NATS that lets everybody in: what their tokens prove is tested with real
// credentials in deployments/soak.

// withMasters lets a gateway of a stack have master sockets.
func (s *stack) withMasters(g *Gateway) {
	g.cfg.Streamer = func(ctx context.Context, _ trust.Credentials) (*events.Log, error) {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > creationTime {
			return nil, errors.New("test: the request may wait for longer than others do without NATS")
		}
		nc, err := connect.Dial(ctx, s.nats.URL(), "", "master", discard(), s.via...)
		if err != nil {
			return nil, fmt.Errorf("test: %w", err)
		}
		return events.New(nc, discard()) // the socket closes the connection
	}
}

// mastered is a gateway with master sockets, and a session whose instance runs.
func mastered(t *testing.T, change ...func(*Gateway)) (*replica, created) {
	t.Helper()
	s := newStack(t)
	r := s.gateway(append([]func(*Gateway){s.withMasters}, change...)...)
	s.agent("a1", 100, "testcard")
	r.serving("testcard")
	c := r.create(`{"app":"testcard","joinable":true}`)
	s.claim(c.ID, r)
	s.say(c.ID, events.Agent, events.Launched, events.LaunchedData{Agent: "a1", Attempt: 1, Instance: "i"}, r)
	return r, c
}

// masterPath is the path of a session's master socket with its token.
func masterPath(t testing.TB, id events.SessionID) string {
	t.Helper()
	a, err := trust.Open(t.TempDir())
	require.NoError(t, err)
	_, err = a.AddRegion(region)
	require.NoError(t, err)
	c, err := a.Credentials(trust.Identity{Role: trust.Streamer, Region: region, Session: id}, time.Hour)
	require.NoError(t, err)
	token, err := c.SocketToken()
	require.NoError(t, err)
	return "/1.0/sessions/" + string(id) + "/sockets/master?token=" + token
}

// master opens a session's master socket and waits for the first question.
func (r *replica) master(id events.SessionID) *browser {
	r.stack.t.Helper()
	b := dial(r.stack.t, strings.Replace(r.url, "http", "ws", 1)+masterPath(r.stack.t, id))
	require.Equal(r.stack.t, "discover", b.receive().Type)
	return b
}

// answers has a master say what it can do, and waits until the gateways know.
func (r *replica) answers(b *browser, id events.SessionID, n int) {
	r.stack.t.Helper()
	b.send(`{"type":"resp:discover","max_api_version":2,"fps":30}`)
	e := r.stack.awaits(id, "streamer.ready", n)
	require.NoError(r.stack.t, r.sessions.Wait(r.stack.t.Context(), e.Sequence))
}

// state is a session as its history tells.
func (s *stack) state(id events.SessionID) projections.Session {
	s.t.Helper()
	x, _, err := projections.Load(s.t.Context(), s.log, region, id)
	require.NoError(s.t, err)
	return x
}

// A session of a master has one client: viewers who were there before are sent away, those who come then are not let in, and
// the client stays.
func TestNobodyWatchesAMaster(t *testing.T) {
	t.Parallel()
	r, c := mastered(t)
	s := r.stack
	v := r.watch(c.ID)
	early := viewerOf(t, r, v)
	watching := dial(t, v.URL)
	dial(t, c.URL)
	s.awaits(c.ID, "client.attached", 2)
	m := r.master(c.ID)
	r.answers(m, c.ID, 1)
	gone := decoded[events.DisconnectedData](s.awaits(c.ID, "streamer.disconnected", 1))
	require.Equal(t, events.DisconnectedData{Peer: early, Reason: events.ReasonRefused, Message: oneClientText}, gone)
	require.Contains(t, watching.receive().Message, oneClientText)
	require.Equal(t, "discover", m.receive().Type)
	m.send(`{"type":"resp:discover","max_api_version":2,"fps":30}`)

	client := s.peerOf(c.ID)
	s.say(c.ID, events.Streamer, events.Connected, events.ConnectedData{Peer: client}, r)
	a := r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", `{"role":"viewer"}`)
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Equal(t, "wrong_state", a.Code)
	require.Contains(t, a.Error, "one client")
	// A gateway that is older than this one lets a viewer in all the same.
	s.say(c.ID, events.Gateway, events.Joined, events.JoinedData{Peer: "late", Generation: 2, Role: events.RoleViewer}, r)
	r.join(c.ID)
	displaced := s.awaits(c.ID, "streamer.disconnected", 2)
	require.Equal(t, events.DisconnectedData{Peer: client, Reason: events.ReasonDisplaced, Connected: true}, decoded[events.DisconnectedData](displaced))
	require.Greater(t, displaced.Sequence, s.state(c.ID).JoinedSeq, "by the next client, not by who watches")
}

// slow drops all views as those that cannot keep up.
func (h *hub) slow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, subs := range h.subs {
		for s := range subs {
			h.drop(s, whySlow)
		}
	}
}

// The end of a master's socket is the loss of its client where the master went, or was sent away for what it did. It is not
// where the gateway stops: the master comes back, and the client streams on meanwhile.
func TestMasterEnds(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		end  func(*replica, *browser)
		code websocket.StatusCode // -1 where the gateway does not close
		lost bool
		hit  metrics.Limit
	}{
		"gateway stops": {func(r *replica, _ *browser) { r.hub.close() }, websocket.StatusGoingAway, false, ""},
		"slow gateway":  {func(r *replica, _ *browser) { r.hub.slow() }, websocket.StatusTryAgainLater, false, ""},
		"leaves":        {func(_ *replica, b *browser) { _ = b.conn.Close(websocket.StatusNormalClosure, "") }, -1, true, ""},
		"goes":          {func(_ *replica, b *browser) { _ = b.conn.CloseNow() }, -1, true, ""},
		"binary flood":  {func(_ *replica, b *browser) { b.floods(websocket.MessageBinary) }, websocket.StatusPolicyViolation, true, metrics.MessageRate},
		"flood":         {func(_ *replica, b *browser) { b.floods(websocket.MessageText) }, websocket.StatusPolicyViolation, true, metrics.MessageRate},
		"too large": {func(_ *replica, b *browser) {
			b.send(strings.Repeat("x", 1+int(limit.Default().MessageBytes)))
		}, websocket.StatusMessageTooBig, true, metrics.MessageSize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := mastered(t)
			s := r.stack
			b := r.master(c.ID)
			r.answers(b, c.ID, 1)
			client := s.peerOf(c.ID)
			s.say(c.ID, events.Streamer, events.Connected, events.ConnectedData{Peer: client}, r)
			dial(t, c.URL)
			require.Equal(t, "discover", b.receive().Type) // so the socket knows of the connection, which came before

			x.end(r, b)
			if x.code >= 0 {
				b.closed(x.code)
			}
			if x.lost {
				require.Equal(t, events.DisconnectedData{Peer: client, Reason: events.ReasonLost, Message: "the master's socket closed", Connected: true},
					decoded[events.DisconnectedData](s.awaits(c.ID, "streamer.disconnected", 1)))
			}
			if x.hit != "" {
				require.InDelta(t, 1, r.metric(`streamstack_limits_hit_total{limit="`+string(x.hit)+`"}`), 0)
			}
			require.NoError(t, r.stop(), "which waits for the sockets")
			if names, _ := s.history(c.ID); !x.lost {
				require.Equal(t, client, s.state(c.ID).Connected, "%v", names)
			}
		})
	}
}
