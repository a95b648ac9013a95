package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/openapi/openapitest"
)

const testToken = "MDAx-test_token="

// message is a frame of signalling, or of the REST API: whatever JSON has.
type message = map[string]any

// gateway is as much of the gateway as the page needs, in memory: REST, the client's websocket with resumption, and the log.
// Behind each session is a real WebRTC peer (peer_test.go). The whole stack is tested in deployments/e2e.
type gateway struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex
	sessions map[string]*session
	order    []string
	// dropAfter closes a socket once, when that type of message has been sent on it.
	dropAfter string
	// last, if it has a code, is how that socket is closed, after these words. A gateway that leaves is away afterwards: it
	// opens no socket.
	last         websocket.CloseError
	words        message
	leaves, away bool
	// restart puts another streamer in the place of a session's first one, once that has been answered.
	restart bool
	// unstreamed is a gateway, or a proxy before it, that has no stream of events; streams and polls count how they were
	// asked for, and cut ends the streams that are open.
	unstreamed     bool
	streams, polls int
	cut            chan struct{}
}

type session struct {
	id, app, status, message string
	joinable                 bool
	begun                    time.Time
	events                   []message
	logged                   chan struct{} // closed and made anew with each event
	// outbox is what the streamer has sent, each with its sequence; a socket sends what its client has not seen.
	outbox  []message
	changed chan struct{}
	sockets int // how many were opened
	open    int // how many are open
	inbox   []message
	peer    *peer
	spare   *peer // takes over at a restart
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{t: t, sessions: make(map[string]*session), cut: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("/", handler(t))
	mux.HandleFunc("GET /1.0/applications", g.authorized(func(*http.Request) (int, any) {
		return http.StatusOK, []message{{"name": "testcard"}, {"name": "xterm"}, {"name": "glxgears"}, {"name": "nowhere"}}
	}))
	mux.HandleFunc("POST /1.0/sessions", g.authorized(g.create))
	mux.HandleFunc("GET /1.0/sessions", g.authorized(g.list))
	mux.HandleFunc("GET /1.0/sessions/{id}", g.authorized(g.show))
	mux.HandleFunc("DELETE /1.0/sessions/{id}", g.authorized(g.end))
	mux.HandleFunc("POST /1.0/sessions/{id}/join", g.authorized(g.join))
	mux.HandleFunc("GET /1.0/sessions/{id}/events", g.events)
	mux.HandleFunc("GET /1.0/sessions/{id}/quality", g.authorized(g.quality))
	mux.HandleFunc("GET /1.0/sessions/{id}/sockets/slave", g.socket)
	g.server = httptest.NewServer(openapitest.New(t).Wrap(mux)) // what it answers must be what a gateway could
	t.Cleanup(g.server.Close)
	return g
}

// page is the address that `up` prints, with more parameters behind the token.
func (g *gateway) page(parameters string) string {
	return g.server.URL + "/#token=" + testToken + parameters
}

// eventPage is an answer with events; next is the sequence of the last one looked at.
type eventPage struct {
	events []message
	next   int
}

// codes are of errors, by their status.
var codes = map[int]string{http.StatusBadRequest: "bad_request", http.StatusUnauthorized: "unauthorized", http.StatusNotFound: "not_found"}

// authorized wraps a call in the token's check and the envelope; a string as the answer is an error's text.
func (g *gateway) authorized(call func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusUnauthorized, any("token is missing or wrong")
		if r.Header.Get("Authorization") == "Macaroon root="+testToken {
			g.mu.Lock()
			status, answer = call(r)
			g.mu.Unlock()
		}
		envelope := message{"type": "sync", "status": "success", "status_code": status}
		switch answer := answer.(type) {
		case string:
			envelope = message{"type": "error", "status": "failed", "status_code": status, "error": answer, "code": codes[status]}
		case eventPage:
			envelope["metadata"], envelope["next"] = answer.events, answer.next
		case []message:
			envelope["metadata"], envelope["total_size"] = answer, len(answer)
		case message:
			envelope["metadata"] = answer
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(envelope) // the browser has gone: nobody to tell
	}
}

func (g *gateway) create(r *http.Request) (int, any) {
	var body struct {
		App      string
		Joinable bool
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return http.StatusBadRequest, err.Error()
	}
	if body.App == "nowhere" {
		return http.StatusNotFound, "no agent can host nowhere now: all slots are taken"
	}
	s := &session{id: fmt.Sprintf("0192f1c2-0000-7000-8000-%012d", len(g.sessions)+1), app: body.App, status: "active",
		joinable: body.Joinable, changed: make(chan struct{}), logged: make(chan struct{}), begun: time.Now()}
	s.peer = newPeer(g.t, func(m message) { g.send(s.id, m) })
	if g.restart {
		s.spare = newPeer(g.t, func(m message) { g.send(s.id, m) })
	}
	g.sessions[s.id] = s
	g.order = append(g.order, s.id)
	s.log("gateway", "created", message{"app": s.app, "screen": message{"width": 1280, "height": 720, "fps": 30, "density": 96}})
	s.log("agent", "claimed", message{"attempt": 1})
	s.log("agent", "launched", message{})
	s.log("streamer", "ready", message{"codecs": []string{"VP8"}})
	return http.StatusCreated, g.ticket(s)
}

func (g *gateway) ticket(s *session) message {
	url := "ws" + strings.TrimPrefix(g.server.URL, "http") + "/1.0/sessions/" + s.id + "/sockets/slave?token=secret"
	return message{"id": s.id, "region": "local", "joinable": s.joinable, "status": s.status, "url": url, "stun_servers": []message{}}
}

func (g *gateway) list(*http.Request) (int, any) {
	all := make([]message, 0, len(g.order))
	for _, id := range g.order {
		all = append(all, g.sessions[id].object())
	}
	return http.StatusOK, all
}

func (g *gateway) show(r *http.Request) (int, any) {
	s, found := g.sessions[r.PathValue("id")]
	if !found || s.status == "terminated" {
		return http.StatusNotFound, "session does not exist"
	}
	return http.StatusOK, s.object()
}

func (g *gateway) end(r *http.Request) (int, any) {
	s, found := g.sessions[r.PathValue("id")]
	if !found {
		return http.StatusNotFound, "session does not exist"
	}
	s.status = "terminated"
	s.log("agent", "terminated", message{"reason": "ended by account test"})
	return http.StatusOK, nil
}

func (g *gateway) join(r *http.Request) (int, any) {
	s, found := g.sessions[r.PathValue("id")]
	if !found {
		return http.StatusNotFound, "session does not exist"
	}
	s.peer = newPeer(g.t, func(m message) { g.send(s.id, m) })
	s.outbox = nil
	return http.StatusOK, g.ticket(s)
}

// events answers with a page, or with a stream when that is asked for.
func (g *gateway) events(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	stream := strings.Contains(r.Header.Get("Accept"), "text/event-stream") && !g.unstreamed && g.sessions[r.PathValue("id")] != nil
	g.mu.Unlock()
	if stream && r.Header.Get("Authorization") == "Macaroon root="+testToken {
		g.stream(w, r)
		return
	}
	g.authorized(g.log)(w, r)
}

func (g *gateway) stream(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprint(w, "retry: 10\n\n") // a page that has gone ends the stream below
	g.mu.Lock()
	g.streams++
	cut := g.cut
	g.mu.Unlock()
	for {
		g.mu.Lock()
		s := g.sessions[r.PathValue("id")]
		fresh, logged := s.events[min(after, len(s.events)):], s.logged
		g.mu.Unlock()
		for _, e := range fresh {
			data, err := json.Marshal(e)
			if err != nil {
				return
			}
			after++
			if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", after, e["type"], data); err != nil {
				return
			}
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-logged:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (g *gateway) log(r *http.Request) (int, any) {
	g.polls++
	s, found := g.sessions[r.PathValue("id")]
	if !found {
		return http.StatusNotFound, "session does not exist"
	}
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	return http.StatusOK, eventPage{s.events[min(after, len(s.events)):], max(after, len(s.events))}
}

// quality answers with a sample for each two seconds since the session's creation, of which there are two at once.
func (g *gateway) quality(r *http.Request) (int, any) {
	s, found := g.sessions[r.PathValue("id")]
	if !found {
		return http.StatusNotFound, "session does not exist"
	}
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	list := []message{}
	for n := after; n < 2+int(time.Since(s.begun)/(2*time.Second)); n++ {
		list = append(list, message{"specversion": "1.0", "id": strconv.Itoa(n), "source": "streamstack/streamer", "type": "streamstack.quality.sample.v1",
			"subject": "quality.local." + s.id, "datacontenttype": "application/json", "sequence": n + 1, "time": time.Now().UTC().Format(time.RFC3339Nano),
			"data": whole("streamstack.quality.sample.v1", message{"fps": 29.5, "rtt_ms": 1.5, "video_kbps": 2400, "audio_kbps": 100})})
	}
	return http.StatusOK, eventPage{list, after + len(list)}
}

// socket relays between the page and the session's peer. It sends from the start of the negotiation, after the sequence that
// the page has seen.
func (g *gateway) socket(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil || r.URL.Query().Get("token") != "secret" {
		http.Error(w, "token or after", http.StatusUnauthorized)
		return
	}
	g.mu.Lock()
	away := g.away
	g.mu.Unlock()
	if away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }() // closed in order below, if it could be
	s := g.opened(r.PathValue("id"))
	defer g.closed(s)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		g.receive(r, conn, s)
	}()
	for {
		fresh, drop, changed := g.unsent(s, after)
		for _, m := range fresh {
			if wsjson.Write(r.Context(), conn, m) != nil {
				return
			}
			after = sequence(m)
		}
		if drop {
			g.drop(r, conn)
			return
		}
		select {
		case <-changed:
		case <-gone:
			return
		}
	}
}

func (g *gateway) receive(r *http.Request, conn *websocket.Conn, s *session) {
	for {
		var m message
		if wsjson.Read(r.Context(), conn, &m) != nil {
			return
		}
		g.mu.Lock()
		s.inbox = append(s.inbox, m)
		name := kind(m)
		if name == "settings" || name == "answer" || name == "candidate" {
			s.log("client", name, message{})
		}
		if name == "discover" {
			s.queue(message{"type": "resp:discover", "max_api_version": 2, "fps": 30})
		}
		if name == "answer" && s.spare != nil {
			s.peer, s.spare = s.spare, nil
			s.queue(message{"type": "resp:discover", "max_api_version": 2, "fps": 30})
			g.mu.Unlock()
			continue // the answer is lost with the streamer that it was for
		}
		peer := s.peer
		g.mu.Unlock()
		peer.receive(m)
	}
}

// unsent is what a socket has to send after a sequence, and whether it is to be dropped then.
func (g *gateway) unsent(s *session, after int) (fresh []message, drop bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range s.outbox {
		if sequence(m) <= after {
			continue
		}
		fresh = append(fresh, m)
		if m["type"] == g.dropAfter {
			g.dropAfter = ""
			return fresh, true, nil
		}
	}
	return fresh, false, s.changed
}

func (g *gateway) opened(id string) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[id]
	s.sockets++
	s.open++
	s.log("client", "attached", message{})
	return s
}

func (g *gateway) closed(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.open--
	s.log("client", "detached", message{"code": 1000})
}

// send is what the streamer's peer says.
func (g *gateway) send(id string, m message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[id]
	s.log("streamer", kind(m), message{})
	s.queue(m)
}

// look reads a session under the lock.
func (g *gateway) look(id string, read func(*session)) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Contains(g.t, g.sessions, id)
	read(g.sessions[id])
}

// sequence is the number that queue gave a message.
func sequence(m message) int {
	number, _ := m["sequence"].(int)
	return number
}

func kind(m message) string {
	name, _ := m["type"].(string)
	return name
}

func (s *session) queue(m message) {
	m["sequence"] = len(s.events) + len(s.outbox) + 1
	s.outbox = append(s.outbox, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) log(actor, name string, data message) {
	close(s.logged)
	s.logged = make(chan struct{})
	kind := events.TypeOf(events.Name(name))
	s.events = append(s.events, message{
		"specversion": "1.0", "id": strconv.Itoa(len(s.events)), "source": "streamstack/" + actor, "datacontenttype": "application/json",
		"type": kind, "time": time.Now().UTC().Format(time.RFC3339Nano),
		"subject": "sessions.local." + s.id + "." + actor + "." + name, "sequence": len(s.events) + 1, "data": whole(kind, data),
	})
}

// whole is the data of an event, with what a test does not care for empty.
func whole(kind string, data message) message {
	all := message{}
	for _, t := range events.Types() {
		if t.CEType != kind {
			continue
		}
		text, err := json.Marshal(t.Data)
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil {
			panic(err) //nolint:forbidigo // a type of ours that is no JSON: a mistake of the program
		}
	}
	maps.Copy(all, data)
	return all
}

func (s *session) object() message {
	return message{"id": s.id, "app": s.app, "region": "local", "joinable": s.joinable, "status": s.status, "status_message": s.message,
		"container_id": "i1", "cluster_id": "a1"}
}
