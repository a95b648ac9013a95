package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// watch joins a session as a viewer.
func (r *replica) watch(id events.SessionID) (c created) {
	r.stack.t.Helper()
	a := r.do(http.MethodPost, "/1.0/sessions/"+string(id)+"/join", `{"role":"viewer"}`)
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	require.NoError(r.stack.t, json.Unmarshal(a.Metadata, &c))
	return c
}

// viewerOf is the peer of a socket's token.
func viewerOf(t *testing.T, r *replica, c created) events.PeerID {
	t.Helper()
	u, err := url.Parse(c.URL)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(u.Path, "/sockets/viewer"), u.Path)
	claims, err := r.stack.mint.VerifySocket(u.Query().Get("token"), r.now())
	require.NoError(t, err)
	require.Equal(t, token.RoleViewer, claims.Role)
	return events.PeerID(claims.Peer)
}

// Viewers join beside the client, each with a negotiation of its own; a client that joins displaces the client only.
func TestViewersBesideTheClient(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create(`{"app":"testcard","joinable":true}`)
	s.ready(c.ID, r)
	client := dial(t, c.URL)
	s.awaits(c.ID, "client.attached", 1)
	first, second := r.watch(c.ID), r.watch(c.ID)
	p1, p2 := viewerOf(t, r, first), viewerOf(t, r, second)
	one, two := dial(t, first.URL), dial(t, second.URL)
	attached := s.awaits(c.ID, "client.attached", 3)
	require.Equal(t, token.RoleViewer, token.Role(decoded[events.AttachedData](attached).Role))
	for _, b := range []*browser{one, two, client} {
		b.send(`{"type":"discover"}`)
		require.Equal(t, "resp:discover", b.receive().Type)
	}
	s.offer(c.ID, p2, "v=0 second")
	s.offer(c.ID, p1, "v=0 first")
	s.offer(c.ID, s.peerOf(c.ID), "v=0 client")
	require.Equal(t, sdp("v=0 first"), one.receive().SDP)
	require.Equal(t, sdp("v=0 second"), two.receive().SDP)
	require.Equal(t, sdp("v=0 client"), client.receive().SDP)

	s.say(c.ID, events.Streamer, events.Connected, events.ConnectedData{Peer: p1}, r)
	var shown sessionObject
	require.NoError(t, json.Unmarshal(r.do(http.MethodGet, "/1.0/sessions/"+string(c.ID), "").Metadata, &shown))
	require.Equal(t, 1, shown.Viewers)

	next := r.join(c.ID)
	client.fails("another client has joined", closeDisplaced)
	dial(t, next.URL)
	s.awaits(c.ID, "client.attached", 4)
	one.send(`{"type":"candidate","candidate":"` + sdp("candidate:9") + `"}`)
	require.Equal(t, p1, s.awaits(c.ID, "client.candidate", 1).Peer(), "the viewers' sockets stay")
	require.NoError(t, two.conn.Close(websocket.StatusNormalClosure, ""))

	s.say(c.ID, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: p1, Reason: events.ReasonLeft, Connected: true}, r)
	dial(t, first.URL).fails("this viewer has left the session: join again", closeDisplaced)
}

// What a viewer is given opens nothing but a viewer's socket, and a viewer is asked for in few words.
func TestViewersAreOnlyThat(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create(`{"app":"testcard","joinable":true}`)
	s.ready(c.ID, r)
	v := r.watch(c.ID)
	asClient := strings.Replace(v.URL, "/sockets/viewer", "/sockets/slave", 1)
	require.Equal(t, http.StatusUnauthorized, refusal(t, asClient))
	asViewer := strings.Replace(c.URL, "/sockets/slave", "/sockets/viewer", 1)
	require.Equal(t, http.StatusUnauthorized, refusal(t, asViewer))
	join := "/1.0/sessions/" + string(c.ID) + "/join"
	for body, text := range map[string]string{
		`{"role":"adb"}`: "role must be slave or viewer",
		`{"role":"viewer","screen":{"width":640,"height":480}}`: "sees the screen as it is",
	} {
		a := r.do(http.MethodPost, join, body)
		require.Equal(t, http.StatusBadRequest, a.StatusCode)
		require.Contains(t, a.Error, text)
	}
	require.Equal(t, http.StatusOK, r.do(http.MethodPost, join, `{"role":"slave"}`).StatusCode)
	closed := r.create(`{"app":"testcard","joinable":false}`)
	require.Equal(t, "wrong_state", r.do(http.MethodPost, "/1.0/sessions/"+string(closed.ID)+"/join", `{"role":"viewer"}`).Code)
}

// A session has so many viewers and no more; one that has gone makes room. Without a limit, or with one that is too high, it
// has as many as its state and its streamer hold.
func TestViewerLimit(t *testing.T) {
	t.Parallel()
	for limited, most := range map[int]int{2: 2, 0: projections.MaxViewers, 1000: projections.MaxViewers} {
		t.Run(strconv.Itoa(limited), func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			figures := limit.Default()
			figures.ViewersPerSession, figures.RequestsPerSecond = limited, 0
			r := s.gateway(func(g *Gateway) { g.bounds.figures = figures })
			s.agent("a1", 100, "testcard")
			r.serving("testcard")
			c := r.create(`{"app":"testcard","joinable":true}`)
			s.ready(c.ID, r)
			first := r.watch(c.ID)
			for range most - 1 {
				r.watch(c.ID)
			}
			require.Len(t, s.state(c.ID).Viewers, most)
			a := r.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", `{"role":"viewer"}`)
			require.Equal(t, http.StatusTooManyRequests, a.StatusCode)
			require.Equal(t, "viewer_limit", a.Code)
			s.say(c.ID, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: viewerOf(t, r, first), Reason: events.ReasonLeft}, r)
			dial(t, r.watch(c.ID).URL)
			s.awaits(c.ID, "client.attached", 1)
		})
	}
}
