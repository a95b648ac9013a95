package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

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
	// capabilities are what its streamers announce; devices tells whether they take the user's.
	capabilities []string
	devices      bool
	// unstreamed is a gateway, or a proxy before it, that has no stream of events; streams and polls count how they were
	// asked for, and cut ends the streams that are open.
	unstreamed     bool
	streams, polls int
	cut            chan struct{}
}

type session struct {
	id, app, status, message string
	role                     string // of who joined last, as it was asked for
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
	s.peer = newPeer(g.t, g.devices, func(m message) { g.send(s.id, m) })
	if g.restart {
		s.spare = newPeer(g.t, false, func(m message) { g.send(s.id, m) })
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
	var body struct{ Role string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return http.StatusBadRequest, err.Error()
	}
	s.role = body.Role
	s.peer = newPeer(g.t, false, func(m message) { g.send(s.id, m) })
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

func decision(kind string, kbps int, cause string) message {
	return message{"unix_ms": time.Now().UnixMilli(), "kind": kind, "cause": cause, "target_kbps": kbps, "fps": 30, "estimate_kbps": kbps, "queue_ms": 0}
}

// quality answers with a sample for each two seconds since the session's creation, of which there are two at once, and with decisions
// in the place of the first.
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
	for n := after; n < 3+int(time.Since(s.begun)/(2*time.Second)); n++ {
		kind, data := "streamstack.quality.sample.v1", message{"fps": 29.5, "rtt_ms": 1.5, "encode_ms": 8.5, "video_kbps": 2400, "audio_kbps": 100}
		if n == 0 && r.URL.Query().Get("kind") == "all" {
			kind, data = "streamstack.quality.decisions.v1", message{"peer": "p", "list": []message{
				decision("target", 4000, "start"), decision("target", 3500, "delay"), decision("target", 1200, "loss"),
			}}
		}
		list = append(list, message{"specversion": "1.0", "id": strconv.Itoa(n), "source": "streamstack/streamer", "type": kind,
			"subject": "quality.local." + s.id, "datacontenttype": "application/json", "sequence": n + 1, "time": time.Now().UTC().Format(time.RFC3339Nano),
			"data": whole(kind, data)})
	}
	return http.StatusOK, eventPage{list, after + len(list)}
}
