package limit

import (
	"sync"

	"streamstack/events"
)

// Sessions bounds how many live sessions an account has.
//
// The read model counts those that are in the log; on top of it come the creations that are under way here and that the
// model does not have yet, so that of requests that come at once no more get through than there is room. On one gateway the
// bound is exact. Gateways beside it are seen when their events are, within milliseconds: together they may let through what
// they begin within that time. Deciding that in the log too would take a write to one subject of the account for each session,
// and make all its creations wait for each other: too much for a bound against abuse.
type Sessions struct {
	mu    sync.Mutex
	begun map[string]map[events.SessionID]struct{}
}

// NewSessions makes a bound with nothing under way.
func NewSessions() *Sessions { return &Sessions{begun: map[string]map[events.SessionID]struct{}{}} }

// Model is what the read model knows, all at one point of the log.
type Model interface {
	// LiveOf is how many live sessions an account has.
	LiveOf(account string) int
	// Created tells whether the model has seen the creation of a session that is under way here.
	Created(id events.SessionID) bool
}

// Begin is to be called before a session's creation is appended. ok tells that the account has fewer than most (0: no
// limit); then the caller calls done once the read model has the creation, or when it failed.
func (s *Sessions) Begin(account string, id events.SessionID, most int, read func(func(Model))) (done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok = true
	if most > 0 {
		read(func(m Model) {
			n := m.LiveOf(account)
			for begun := range s.begun[account] {
				if !m.Created(begun) {
					n++
				}
			}
			ok = n < most
		})
	}
	if !ok {
		return nil, false
	}
	if s.begun[account] == nil {
		s.begun[account] = map[events.SessionID]struct{}{}
	}
	s.begun[account][id] = struct{}{}
	return func() { s.end(account, id) }, true
}

func (s *Sessions) end(account string, id events.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.begun[account], id)
	if len(s.begun[account]) == 0 {
		delete(s.begun, account)
	}
}
