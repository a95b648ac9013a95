package projections

import (
	"slices"

	"streamstack/events"
)

// roster has the sessions of a model in the order of their creation, in one piece of memory: what looks at all of them,
// such as a page of a list, would wait for the memory of each otherwise.
type roster struct {
	rows []row
	gone int // rows whose session has left
}

// row is one session; status is kept here too, so that a filter need not look at the session.
type row struct {
	first  events.Seq
	s      *Session // nil: it has left
	status Status
}

// rosterSlack is how many rows may stand empty before it is worth closing the gaps.
const rosterSlack = 64

// add appends a session that was created after all others.
func (r *roster) add(s *Session) { r.rows = append(r.rows, row{s.First, s, s.Status}) }

// at returns the row of a session, by its creation; nil if it has none.
func (r *roster) at(first events.Seq) *row {
	i, ok := slices.BinarySearchFunc(r.rows, first, func(x row, f events.Seq) int { return compare(x.first, f, 0, 0) })
	if !ok {
		return nil
	}
	return &r.rows[i]
}

// remove takes a session out. Rows are moved together only when half of them are empty, so that it costs the same
// for the oldest as for the newest.
func (r *roster) remove(first events.Seq) {
	x := r.at(first)
	if x == nil || x.s == nil {
		return
	}
	x.s = nil
	if r.gone++; r.gone < rosterSlack || 2*r.gone < len(r.rows) {
		return
	}
	rest := make([]row, 0, len(r.rows)-r.gone) // anew, so that what was needed once does not stay
	for _, x := range r.rows {
		if x.s != nil {
			rest = append(rest, x)
		}
	}
	r.rows, r.gone = rest, 0
}

// loads counts who holds what, as sessions come, move and go: every creation asks for it.
type loads struct {
	byRegion  map[events.Region]*regionLoad
	byAccount map[string]int // sessions that live
}

type regionLoad struct {
	live int
	held map[events.AgentID]int
}

func newLoads() loads {
	return loads{byRegion: map[events.Region]*regionLoad{}, byAccount: map[string]int{}}
}

// burden is what one session counts for; the zero value counts for nothing.
type burden struct {
	live   bool
	holder events.AgentID // empty: nobody
}

func (s *Session) burden() burden {
	if !s.Live() {
		return burden{}
	}
	b := burden{live: true}
	if s.Claimed {
		b.holder = s.Agent
	}
	return b
}

// move counts a session for what it is now in place of what it was. Nothing that is 0 is kept.
func (l loads) move(s *Session, was burden) {
	is := s.burden()
	if is == was {
		return
	}
	r := l.byRegion[s.Region]
	if r == nil {
		r = &regionLoad{held: map[events.AgentID]int{}}
		l.byRegion[s.Region] = r
	}
	if was.live != is.live {
		by := 1
		if was.live {
			by = -1
		}
		r.live += by
		add(l.byAccount, s.Account, by)
	}
	if was.holder != is.holder {
		add(r.held, was.holder, -1)
		add(r.held, is.holder, +1)
	}
	if r.live == 0 {
		delete(l.byRegion, s.Region)
	}
}

// add keeps no entry of 0, and counts nothing for nobody.
func add[K ~string](m map[K]int, k K, by int) {
	if k == "" {
		return
	}
	if m[k] += by; m[k] == 0 {
		delete(m, k)
	}
}
