package projections

import (
	"slices"
	"strings"
	"time"

	"streamstack/events"
)

// Agent is the state of one agent.
type Agent struct {
	ID     events.AgentID
	Region events.Region
	events.OnlineData
	// Online is what the agent said last; whether it still lives is told by its heartbeat.
	Online bool
	Since  time.Time
	// Draining tells that it shall take no more work, until it is resumed or begins anew. DrainBy is who said so, DrainUntil
	// when the sessions that are left end; zero for never.
	Draining   bool
	DrainBy    string
	DrainUntil time.Time
}

// Agents is the read model of the AGENTS stream. It is not safe for concurrent use.
type Agents struct {
	byKey map[string]Agent
	at    events.Seq
}

// NewAgents is the empty state.
func NewAgents() *Agents { return &Agents{byKey: map[string]Agent{}} }

// Apply folds one event of the AGENTS stream.
func (m *Agents) Apply(e events.Event) {
	if e.Sequence <= m.at {
		return
	}
	m.at = e.Sequence
	p := strings.Split(e.Subject, ".")
	if e.Quarantine != "" || len(p) != 4 || p[0] != "agents" || e.Type != events.AgentTypeOf(events.Name(p[3])) {
		return
	}
	key := p[1] + "." + p[2]
	a := m.byKey[key]
	a.ID, a.Region = events.AgentID(key[len(p[1])+1:]), events.Region(key[:len(p[1])]) // no pieces of the header block
	switch events.Name(p[3]) {
	case events.AgentOnline:
		d := data[events.OnlineData](e)
		if !d.Again {
			a.Draining, a.DrainBy, a.DrainUntil = false, "", time.Time{}
			a.Since = e.Time
		}
		d.Again = false
		a.OnlineData, a.Online = d, true
	case events.AgentOffline:
		a.Online, a.Since = false, e.Time
	case events.AgentDrain:
		d := data[events.DrainData](e)
		a.Draining, a.DrainBy, a.DrainUntil = true, d.By, time.Time{}
		if t, err := time.Parse(time.RFC3339, d.Until); err == nil {
			a.DrainUntil = t
		}
	case events.AgentResume:
		a.Draining, a.DrainBy, a.DrainUntil = false, "", time.Time{}
	default:
		return
	}
	m.byKey[key] = a
}

// Get returns an agent of a region.
func (m *Agents) Get(r events.Region, id events.AgentID) (Agent, bool) {
	a, ok := m.byKey[string(r)+"."+string(id)]
	return a, ok
}

// At is the sequence folded last.
func (m *Agents) At() events.Seq { return m.at }

// List returns all agents that ever were, by region and id.
func (m *Agents) List() []Agent {
	out := make([]Agent, 0, len(m.byKey))
	for _, a := range m.byKey {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Agent) int {
		if c := strings.Compare(string(a.Region), string(b.Region)); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}

// Serves tells whether the agent can launch an application; version 0 means any.
func (a Agent) Serves(app string, version int) (events.ApplicationData, bool) {
	for _, x := range a.Applications {
		if x.Name == app && (version == 0 || slices.Contains(x.Versions, version)) {
			return x, true
		}
	}
	return events.ApplicationData{}, false
}
