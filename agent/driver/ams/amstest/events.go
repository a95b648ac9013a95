package amstest

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// backlog is how many events a socket may lag behind; one that lags further is shut.
const backlog = 1024

// socket is one client of GET /1.0/events (section 5).
type socket struct {
	kind  string // operation, lifecycle or all
	queue chan []byte
	shut  context.CancelFunc
}

func (s *Server) listen(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Query().Get("type")
	switch kind {
	case "":
		kind = "all"
	case "all", "operation", "lifecycle":
	default:
		refuse(w, http.StatusBadRequest, "argument type is invalid")
		return
	}
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	k := &socket{kind: kind, queue: make(chan []byte, backlog), shut: cancel}
	s.mu.Lock()
	deaf := s.deaf
	if !deaf {
		s.sockets[k] = struct{}{}
	}
	s.mu.Unlock()
	if deaf {
		refuse(w, http.StatusInternalServerError, "events not supported")
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.sockets, k)
		s.mu.Unlock()
	}()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }() // a cut cable says nothing either
	ctx = conn.CloseRead(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-k.queue:
			if conn.Write(ctx, websocket.MessageText, text) != nil { //nolint:contextcheck // it ends with the server or the socket
				return
			}
		}
	}
}

// publish sends an event to who listens. Nobody gets it later.
func (s *Server) publish(kind string, metadata any) {
	text, err := json.Marshal(map[string]any{"type": kind, "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), "metadata": metadata})
	if err != nil {
		return // it is of our own making
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.sockets {
		if k.kind != "all" && k.kind != kind {
			continue
		}
		select {
		case k.queue <- text:
		default:
			k.shut()
		}
	}
}

// Publish sends an event of a kind that is not AMS's, with any text in it.
func (s *Server) Publish(text string) { s.publish("all", map[string]string{"message": text}) }

// Deafen shuts all event sockets and opens no further ones, or opens them again.
func (s *Server) Deafen(deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = deaf
	if deaf {
		for k := range s.sockets {
			k.shut()
		}
	}
}

// Listeners is how many event sockets are open.
func (s *Server) Listeners() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}
