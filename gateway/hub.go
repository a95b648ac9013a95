package gateway

import (
	"sync"
	"time"

	"streamstack/events"
)

// hub hands the tail's events to the sockets of this process.
type hub struct {
	mu     sync.Mutex
	subs   map[events.SessionID]map[*subscription]struct{}
	all    map[*subscription]struct{} // until they end, dropped ones too
	closed bool
	open   sync.WaitGroup
	// stopping is closed with the hub.
	stopping chan struct{}
}

// everySession is the key of views of all sessions; it is no session's id.
const everySession events.SessionID = "*"

// subscription is one socket's view. Its channel is closed when the client was too slow, or the gateway stops.
type subscription struct {
	hub     *hub
	session events.SessionID
	// events holds pointers, for there may be ten thousand of these queues, nearly all of them empty; who receives one may
	// not change it, others have it too.
	events chan *events.Event
	// match, if not nil, chooses among the events.
	match func(events.Event) bool
	// why says why the channel was closed; written before the close.
	why string
	// cut ends the socket at once, whatever it waits for.
	cut func()
}

// Why a subscription ends.
const (
	whySlow     = "the client does not read fast enough"
	whyStopping = "the gateway is stopping"
)

func newHub() *hub {
	return &hub{subs: map[events.SessionID]map[*subscription]struct{}{}, all: map[*subscription]struct{}{}, stopping: make(chan struct{})}
}

// subscribe begins a view of one session; ok is false when the gateway stops. The caller must end it. cut is called when
// a view has not ended although the gateway stops.
func (h *hub) subscribe(id events.SessionID, cut func()) (s *subscription, ok bool) {
	return h.add(&subscription{hub: h, session: id, cut: cut})
}

func (h *hub) add(s *subscription) (*subscription, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	s.events = make(chan *events.Event, socketQueue)
	if h.subs[s.session] == nil {
		h.subs[s.session] = map[*subscription]struct{}{}
	}
	h.subs[s.session][s] = struct{}{}
	h.all[s] = struct{}{}
	h.open.Add(1)
	return s, true
}

// end takes the view out of the hub.
func (s *subscription) end() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s, "")
	delete(s.hub.all, s)
	s.hub.open.Done()
}

// drop forgets a subscription and closes its channel if it was not yet.
func (h *hub) drop(s *subscription, why string) {
	subs := h.subs[s.session]
	if _, ok := subs[s]; !ok {
		return
	}
	delete(subs, s)
	if len(subs) == 0 {
		delete(h.subs, s.session)
	}
	s.why = why
	close(s.events)
}

// publish hands an event on. It never waits: one that cannot keep up is cut off, and may resume from the log.
func (h *hub) publish(e events.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var shared *events.Event // made for the first who wants it
	for _, id := range [...]events.SessionID{e.Session, everySession} {
		for s := range h.subs[id] {
			if s.match != nil && !s.match(e) {
				continue
			}
			if shared == nil {
				own := e
				shared = &own
			}
			select {
			case s.events <- shared:
			default:
				h.drop(s, whySlow)
			}
		}
	}
}

// close ends all views.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.stopping)
	}
	for _, subs := range h.subs {
		for s := range subs {
			h.drop(s, whyStopping)
		}
	}
}

// wait returns when all sockets have gone. Those that have not after the grace, for their client does not read, are cut.
func (h *hub) wait(grace time.Duration) {
	defer time.AfterFunc(grace, h.cutAll).Stop()
	h.open.Wait()
}

func (h *hub) cutAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.all {
		s.cut()
	}
}
