package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/token"
)

// browser is a client's socket.
type browser struct {
	t    *testing.T
	conn *websocket.Conn
}

// message is what a gateway sends; Sequence only where a client resumes.
type message struct {
	Type          string     `json:"type"`
	MaxAPIVersion int        `json:"max_api_version"`
	SDP           string     `json:"sdp"`
	Candidate     string     `json:"candidate"`
	SDPMid        *string    `json:"sdpMid"`
	SDPMLineIndex *uint16    `json:"sdpMLineIndex"`
	Code          int        `json:"code"`
	Message       string     `json:"message"`
	Sequence      events.Seq `json:"sequence"`
}

// dial opens a socket; the test ends it.
func dial(t *testing.T, url string) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	if res.Body != nil {
		_ = res.Body.Close() // it is the connection's
	}
	conn.SetReadLimit(-1)
	b := &browser{t, conn}
	t.Cleanup(func() { _ = conn.CloseNow() }) // closed already, in most tests
	return b
}

// refusal dials and returns the status of the refusal.
func refusal(t *testing.T, url string) int {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), url, nil)
	if err == nil {
		_ = conn.CloseNow()
		t.Fatal("not refused")
	}
	require.NotNil(t, res, "%v", err)
	_ = res.Body.Close() // it was read by Dial
	return res.StatusCode
}

func (b *browser) send(text string) {
	b.t.Helper()
	require.NoError(b.t, b.conn.Write(b.t.Context(), websocket.MessageText, []byte(text)))
}

// receive returns the next message.
func (b *browser) receive() (m message) {
	b.t.Helper()
	m, err := b.next(within)
	require.NoError(b.t, err)
	return m
}

func (b *browser) next(wait time.Duration) (m message, err error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), wait)
	defer cancel()
	kind, data, err := b.conn.Read(ctx)
	if err != nil {
		return m, fmt.Errorf("read: %w", err)
	}
	if kind != websocket.MessageText {
		return m, errors.New("a binary frame")
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s: %w", data, err)
	}
	return m, nil
}

// closed waits for the close frame, with nothing before it.
func (b *browser) closed(code websocket.StatusCode) {
	b.t.Helper()
	m, err := b.next(within)
	require.Error(b.t, err, "%+v", m)
	require.Equal(b.t, code, websocket.CloseStatus(err), "%v", err)
}

// fails waits for an error message and the close that follows.
func (b *browser) fails(text string, code websocket.StatusCode) {
	b.t.Helper()
	m := b.receive()
	require.Equal(b.t, "error", m.Type, "%+v", m)
	require.Contains(b.t, m.Message, text)
	b.closed(code)
}

func sdp(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func (s *stack) offer(id events.SessionID, p events.PeerID, text string) {
	s.say(id, events.Streamer, events.Offer, events.SDPData{Peer: p, SDP: text})
}

func (s *stack) candidate(id events.SessionID, p events.PeerID, line string) {
	mid, index := "0", uint16(0)
	s.say(id, events.Streamer, events.Candidate, events.CandidateData{Peer: p, Candidate: line, SDPMid: &mid, SDPMLineIndex: &index})
}

// A client that is there before its instance: discover is kept, everything comes in order, and all that it says is in
// the log with the right actor.
func TestEarlyClient(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	b := dial(t, c.URL)
	b.send(`{"type":"discover"}`)
	s.awaits(c.ID, "client.attached", 1)
	peer := s.peerOf(c.ID)
	s.ready(c.ID)
	require.Equal(t, "resp:discover", b.receive().Type)
	settings := `{"type":"settings","api_version":2,"data_channels":["chat"],"sdp":{"odd":1}}`
	b.send(settings)
	s.awaits(c.ID, "client.settings", 1)
	s.offer(c.ID, peer, "v=0 offer")
	require.Equal(t, sdp("v=0 offer"), b.receive().SDP)
	b.send(`{"type":"answer","sdp":"` + strings.TrimRight(sdp("v=0 answer"), "=") + `"}`)
	b.send(`{"type":"candidate","candidate":"` + sdp("candidate:9") + `","sdpMid":"0","sdpMLineIndex":0}`)
	b.send(`not JSON`)
	b.send(`{"no":"type"}`)
	b.send("{\"type\":\"\xff\"}")
	b.send(`{"type":"candidate","candidate":"§"}`)
	require.NoError(t, b.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"settings"}`)))
	b.send(`{"type":"greeting","sdp":["any"]}`)
	s.awaits(c.ID, "client.message", 1)
	require.NoError(t, b.conn.Close(websocket.StatusNormalClosure, ""))
	var gone events.DetachedData
	require.NoError(t, s.awaits(c.ID, "client.detached", 1).Decode(&gone))
	require.Equal(t, 1000, gone.Code)
	names, all := s.history(c.ID)
	require.Equal(t, []string{
		"gateway.created", "gateway.joined", "client.attached", "agent.claimed", "agent.launched", "streamer.ready", "client.settings",
		"streamer.offer", "client.answer", "client.candidate", "client.message", "client.detached",
	}, names)
	for _, e := range all {
		require.Empty(t, e.Quarantine)
		if e.Actor == events.Client {
			require.Equal(t, peer, e.Peer(), e.Name)
		}
	}
	var kept events.SettingsData
	require.NoError(t, all[6].Decode(&kept))
	require.JSONEq(t, settings, string(kept.Settings))
	var answer events.SDPData
	require.NoError(t, all[8].Decode(&answer))
	require.Equal(t, "v=0 answer", answer.SDP)
}

// A client that opens its socket when all has been said long ago gets the same messages in the same order.
func TestLateClient(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	s.ready(c.ID)
	s.offer(c.ID, "somebody-else", "not for you")
	s.offer(c.ID, s.peerOf(c.ID), "v=0 offer")
	s.candidate(c.ID, s.peerOf(c.ID), "candidate:1")
	s.candidate(c.ID, "somebody-else", "candidate:not-for-you")
	s.candidate(c.ID, s.peerOf(c.ID), "candidate:2")
	b := dial(t, c.URL)
	// The offer does not wait for discover, and discover is answered whenever it comes.
	require.Equal(t, message{Type: "offer", SDP: sdp("v=0 offer")}, b.receive(), "no sequence: the SDK cannot resume")
	for _, line := range []string{"candidate:1", "candidate:2"} {
		m := b.receive()
		require.Equal(t, sdp(line), m.Candidate)
		require.Equal(t, "0", *m.SDPMid)
		require.Zero(t, *m.SDPMLineIndex)
	}
	b.send(`{"type":"discover"}`)
	require.Equal(t, message{Type: "resp:discover", MaxAPIVersion: 2}, b.receive())
	s.candidate(c.ID, s.peerOf(c.ID), "candidate:3")
	require.Equal(t, sdp("candidate:3"), b.receive().Candidate, "and then live")
}

// A second join displaces the first client, and its token is of no use any more.
func TestJoinDisplaces(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	c := r.create()
	first := dial(t, c.URL)
	s.awaits(c.ID, "client.attached", 1)
	s.ready(c.ID)
	s.offer(c.ID, s.peerOf(c.ID), "for the first")
	require.Equal(t, sdp("for the first"), first.receive().SDP)
	j := r.join(c.ID)
	first.fails("another client has joined", closeDisplaced)
	again := dial(t, c.URL)
	again.fails("another client has joined", closeDisplaced)
	second := dial(t, j.URL)
	second.send(`{"type":"discover"}`)
	require.Equal(t, "resp:discover", second.receive().Type)
	s.offer(c.ID, s.peerOf(c.ID), "for the second")
	require.Equal(t, sdp("for the second"), second.receive().SDP, "nothing of the first one's")
}

// The same URL twice: the newer socket replaces the older, also across gateways.
func TestSameTokenTwice(t *testing.T) {
	t.Parallel()
	r := house(t)
	other := r.stack.gateway()
	c := r.create()
	first := dial(t, c.URL)
	r.stack.awaits(c.ID, "client.attached", 1)
	second := dial(t, c.URL)
	first.closed(closeReplaced)
	r.stack.awaits(c.ID, "client.attached", 2)
	third := dial(t, other.moved(c.URL))
	second.closed(closeReplaced)
	r.stack.ready(c.ID)
	third.send(`{"type":"discover"}`)
	require.Equal(t, "resp:discover", third.receive().Type)
}

// moved is a socket's URL at this gateway.
func (r *replica) moved(url string) string {
	_, path, _ := strings.Cut(url, "/1.0/")
	return "ws" + strings.TrimPrefix(r.url, "http") + "/1.0/" + path
}

func TestSocketRefusals(t *testing.T) {
	t.Parallel()
	r := house(t)
	c, other := r.create(), r.create()
	socket := "/1.0/sessions/" + string(c.ID) + "/sockets/slave?token="
	issue := func(session events.SessionID, role token.Role, life time.Duration) string {
		tok, err := r.stack.mint.IssueSocket(token.SocketClaims{Session: string(session), Peer: "p", Role: role, Expiry: time.Now().Add(life)})
		require.NoError(t, err)
		return tok
	}
	for name, tok := range map[string]string{
		"none": "", "nonsense": "x", "an account's": r.token,
		"expired": issue(c.ID, token.RoleSlave, -time.Second), "another role": issue(c.ID, token.RoleMaster, time.Hour),
		"another session": issue(other.ID, token.RoleSlave, time.Hour),
	} {
		require.Equal(t, http.StatusUnauthorized, refusal(t, r.moved(r.url+socket+tok)), name)
	}
	require.Equal(t, http.StatusBadRequest, refusal(t, c.URL+"&after=x"))
	nobody := events.SessionID("0192f1c2-0000-7000-8000-000000000000")
	require.Equal(t, http.StatusNotFound, refusal(t, r.moved(r.url+"/1.0/sessions/"+string(nobody)+"/sockets/slave?token="+issue(nobody, token.RoleSlave, time.Hour))))
	_, path, _ := strings.Cut(c.URL, "/1.0/")
	plain := r.do(http.MethodGet, "/1.0/"+path, "")
	require.Equal(t, http.StatusUpgradeRequired, plain.StatusCode, "without an upgrade")
	require.Equal(t, "websocket", plain.Header.Get("Upgrade"))
	dial(t, c.URL+"&after=99999999").fails("beyond the end", closeEnded)
	// The singular path that the API description has.
	dial(t, strings.Replace(c.URL, "/sessions/", "/session/", 1))
}

// SDP that cannot be read ends the negotiation with words, for it could not go on.
func TestBadSDP(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	for _, text := range []string{
		`{"type":"answer","sdp":"§§"}`, `{"type":"offer","sdp":""}`, `{"type":"answer","sdp":7}`, `{"type":"answer"}`, `{"type":"answer","sdp":"//79"}`,
	} {
		b := dial(t, c.URL)
		b.send(text)
		b.fails("not the base64 of an SDP", closeEnded)
	}
	b := dial(t, c.URL)
	b.send(`{"type":"answer","sdp":"` + sdp(strings.Repeat("<", 80<<10)) + `"}`)
	b.fails("too large", closeEnded)
}

// A client that waits is told when there is nothing to wait for any more, in words that fit into a close frame.
func TestSessionEndsWhileClientWaits(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	for _, end := range []struct {
		name events.Name
		data any
		text string
	}{
		{events.Failed, events.FailedData{Reason: strings.Repeat("é", 200)}, "the session failed: éé"},
		{events.Terminated, events.EndedData{Reason: "the application has exited"}, "the session has ended: the application has exited"},
	} {
		c := r.create()
		b := dial(t, c.URL)
		s.awaits(c.ID, "client.attached", 1)
		s.ready(c.ID)
		s.say(c.ID, events.Agent, end.name, end.data)
		b.fails(end.text, closeEnded)
		dial(t, c.URL).fails(end.text, closeEnded)
	}
	c := r.create()
	b := dial(t, c.URL)
	s.awaits(c.ID, "client.attached", 1)
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID), "").StatusCode)
	b.fails("deleted by tester", closeEnded)
	// And when the streamer cannot serve it.
	c = r.create()
	b = dial(t, c.URL)
	s.awaits(c.ID, "client.attached", 1)
	s.ready(c.ID)
	s.say(c.ID, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: s.peerOf(c.ID), Reason: events.ReasonRefused, Message: "no codec in common"})
	b.fails("no codec in common", closeEnded)
}
