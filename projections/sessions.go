package projections

import (
	"maps"

	"streamstack/events"
)

// Sessions is the read model of all sessions that the API shows. Gone sessions leave it: memory grows with what lives,
// not with history. It is not safe for concurrent use; a [Runner] guards it.
type Sessions struct {
	// byID holds pointers, since a session is changed by every one of its events and is half a kilobyte. They never
	// leave the model.
	byID map[events.SessionID]*Session
	// totals counts sessions by what became of them since the log began.
	totals map[Status]int
	// roster, loads and indexes follow from byID: they make what is asked for often quick.
	roster  roster
	loads   loads
	indexes *indexes
	at      events.Seq
	pool    *pool
}

// NewSessions is the empty state.
func NewSessions() *Sessions {
	return &Sessions{byID: map[events.SessionID]*Session{}, totals: map[Status]int{}, loads: newLoads(), indexes: new(indexes), pool: newPool()}
}

// Apply folds one event of the log and returns the session's state after it.
func (m *Sessions) Apply(e events.Event) Session {
	if s := m.fold(e); s != nil {
		return *s
	}
	return Session{}
}

// Fold makes [Sessions] a [Folder].
func (m *Sessions) Fold(e events.Event) { m.fold(e) }

// fold is Apply without the copy; nil for a session that the model does not know.
func (m *Sessions) fold(e events.Event) *Session {
	s := m.byID[e.Session]
	if e.Sequence <= m.at {
		return s
	}
	m.at = e.Sequence
	var before burden
	var status Status
	switch {
	case e.Session == "" || s == nil && e.Name != events.Created:
		return nil // none of a session, or of one that ended long ago or was never created
	case s == nil:
		s = new(Session)
	default:
		before, status = s.burden(), s.Status
	}
	m.indexes.before(s, m.at)
	s.apply(e, m.pool.foldOf(e))
	if !s.Known() {
		return nil
	}
	m.loads.move(s, before)
	switch {
	case status == "":
		m.enter(s)
	case s.Gone():
		delete(m.byID, s.ID)
		m.roster.remove(s.First)
	case s.Status != status:
		m.roster.at(s.First).status = s.Status
	}
	if s.Status != status {
		m.count(status, -1)
		m.count(s.Status, +1)
	}
	m.indexes.after(s)
	return s
}

// enter takes a session in that was created after all others.
func (m *Sessions) enter(s *Session) {
	m.byID[s.ID] = s
	m.roster.add(s)
}

// count keeps no entry of 0, so that a state is the same however it came about.
func (m *Sessions) count(s Status, by int) { add(m.totals, s, by) }

// At is the sequence folded last.
func (m *Sessions) At() events.Seq { return m.at }

// Get returns a session that is not gone.
func (m *Sessions) Get(id events.SessionID) (Session, bool) {
	s, ok := m.byID[id]
	if !ok {
		return Session{}, false
	}
	return *s, true
}

// List returns all sessions that are not gone, oldest first.
func (m *Sessions) List() []Session {
	all, _ := m.Page(Query{})
	return all
}

// Total is how many sessions are in a status, gone ones counted.
func (m *Sessions) Total(s Status) int { return m.totals[s] }

// Load is how many live sessions there are in a region, and how many of these each agent holds.
func (m *Sessions) Load(r events.Region) (live int, held map[events.AgentID]int) {
	l := m.loads.byRegion[r]
	if l == nil {
		return 0, map[events.AgentID]int{}
	}
	return l.live, maps.Clone(l.held)
}

// LiveOf is how many live sessions an account has.
func (m *Sessions) LiveOf(account string) int { return m.loads.byAccount[account] }
