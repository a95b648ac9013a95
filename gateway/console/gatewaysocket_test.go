package console

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

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
			s.queue(message{"type": "resp:discover", "max_api_version": 2, "fps": 30, "capabilities": g.capabilities})
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
