package projections

import "streamstack/events"

// liveCount is how many live sessions each account has, kept beside them so that a gateway can ask with each creation. It
// follows from the sessions, and so is in no snapshot.
type liveCount map[string]int

// add counts a session that is live, once more or once less. It keeps no entry of 0: memory grows with what lives.
func (c liveCount) add(s *Session, by int) {
	if !s.Live() {
		return
	}
	if c[s.Account] += by; c[s.Account] == 0 {
		delete(c, s.Account)
	}
}

// LiveOf is how many live sessions an account has: those that wait for an instance or have one.
func (m *Sessions) LiveOf(account string) int { return m.live[account] }

// Created tells whether the model holds a session.
func (m *Sessions) Created(id events.SessionID) bool {
	_, ok := m.byID[id]
	return ok
}
