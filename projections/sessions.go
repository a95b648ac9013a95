package projections

import (
	"slices"

	"streamstack/events"
)

// Sessions is the read model of all sessions that the API shows. Gone sessions leave it: memory grows with what lives,
// not with history. It is not safe for concurrent use; a [Runner] guards it.
type Sessions struct {
	byID map[events.SessionID]Session
	// totals counts sessions by what became of them since the log began.
	totals map[Status]int
	at     events.Seq
}

// NewSessions is the empty state.
func NewSessions() *Sessions {
	return &Sessions{byID: map[events.SessionID]Session{}, totals: map[Status]int{}}
}

// Apply folds one event of the log and returns the session's state after it.
func (m *Sessions) Apply(e events.Event) Session {
	if e.Sequence <= m.at {
		return m.byID[e.Session]
	}
	m.at = e.Sequence
	if e.Session == "" {
		return Session{}
	}
	before, ok := m.byID[e.Session]
	if !ok && e.Name != events.Created {
		return Session{} // ended long ago, or never created
	}
	s := before.Apply(e)
	if !s.Known() {
		return s
	}
	if ok {
		m.totals[before.Status]--
	}
	m.totals[s.Status]++
	if s.Gone() {
		delete(m.byID, s.ID)
	} else {
		m.byID[s.ID] = s
	}
	return s
}

// At is the sequence folded last.
func (m *Sessions) At() events.Seq { return m.at }

// Get returns a session that is not gone.
func (m *Sessions) Get(id events.SessionID) (Session, bool) {
	s, ok := m.byID[id]
	return s, ok
}

// List returns all sessions that are not gone, oldest first.
func (m *Sessions) List() []Session {
	out := make([]Session, 0, len(m.byID))
	for _, s := range m.byID {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Session) int { return int(a.First) - int(b.First) })
	return out
}

// Total is how many sessions are in a status, gone ones counted.
func (m *Sessions) Total(s Status) int { return m.totals[s] }

// Load is how many live sessions there are in a region, and how many of these each agent holds.
func (m *Sessions) Load(r events.Region) (live int, held map[events.AgentID]int) {
	held = map[events.AgentID]int{}
	for _, s := range m.byID {
		if s.Region != r || !s.Live() {
			continue
		}
		live++
		if s.Claimed {
			held[s.Agent]++
		}
	}
	return live, held
}
