package projections

import (
	"strings"

	"streamstack/events"
)

// poolLimit is how many values of a kind a pool holds at most. It then begins anew; what was handed out stays.
const poolLimit = 4096

// pool keeps one copy of what many sessions have in common. A streamer says the same of itself in every session of its
// machine: that is most of a live session's memory, and of the time to fold it. It is also where strings are cut
// loose: what is read off a subject or a header is a piece of the whole header block, which a session must not keep.
type pool struct {
	words map[string]string
	ready map[string]*events.ReadyData // by the event's data
}

func newPool() *pool {
	return &pool{words: map[string]string{}, ready: map[string]*events.ReadyData{}}
}

// foldOf is what [folds] has for an event, sharing what can be.
func (p *pool) foldOf(e events.Event) func(*Session, events.Event) {
	f := folds[foldKey{e.Actor, e.Name}]
	switch {
	case f == nil:
		return nil
	case e.Actor == events.Gateway && e.Name == events.Created:
		return p.created
	case e.Actor == events.Agent && e.Name == events.Claimed:
		return p.claimed
	case e.Actor == events.Streamer && e.Name == events.Ready:
		return p.foldReady
	default:
		return f
	}
}

func (p *pool) created(s *Session, e events.Event) {
	foldCreated(s, e)
	s.ID = events.SessionID(strings.Clone(string(s.ID)))
	s.Region = events.Region(p.word(string(s.Region)))
	s.App, s.Account = p.word(s.App), p.word(s.Account)
}

func (p *pool) claimed(s *Session, e events.Event) {
	foldClaimed(s, e)
	s.Agent = events.AgentID(p.word(string(s.Agent)))
}

func (p *pool) foldReady(s *Session, e events.Event) {
	d, ok := p.ready[string(e.Data)]
	if !ok {
		v := data[events.ReadyData](e)
		d = &v
		if len(p.ready) >= poolLimit {
			clear(p.ready)
		}
		p.ready[string(e.Data)] = d
	}
	s.becomeReady(e, d)
}

// word returns a copy of s that is nobody else's piece.
func (p *pool) word(s string) string {
	if w, ok := p.words[s]; ok {
		return w
	}
	if len(p.words) >= poolLimit {
		clear(p.words)
	}
	w := strings.Clone(s)
	p.words[w] = w
	return w
}
