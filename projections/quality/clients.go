package quality

import "streamstack/events"

// Clients folds the samples of a session, all of them and those of each client, and the decisions about each client. It is not safe for concurrent use. The zero
// value is empty.
type Clients struct {
	all  *Fold
	each map[events.PeerID]*Fold
	// decided are the decisions about each client, decidedAt is the sequence of the last.
	decided   map[events.PeerID]*decisionFold
	decidedAt events.Seq
	// peers are the clients in the order of their first events.
	peers []events.PeerID
}

// Apply folds one sample, as [Fold.Apply] does.
func (c *Clients) Apply(s events.QualitySample) {
	if c.all == nil {
		c.all, c.each = New(), map[events.PeerID]*Fold{}
	}
	if s.Sequence <= c.all.At() {
		return
	}
	f := c.each[s.Peer]
	if f == nil {
		f = New()
		c.meet(s.Peer)
		c.each[s.Peer] = f
	}
	f.Apply(s)
	c.all.Apply(s)
}

// Decide folds decisions about one client. What was folded before, or is older than what was, changes nothing.
func (c *Clients) Decide(d events.QualityDecisions) {
	if d.Sequence <= c.decidedAt {
		return
	}
	c.decidedAt = d.Sequence
	f := c.decided[d.Peer]
	if f == nil {
		f = &decisionFold{}
		c.meet(d.Peer)
		if c.decided == nil {
			c.decided = map[events.PeerID]*decisionFold{}
		}
		c.decided[d.Peer] = f
	}
	f.apply(d)
}

// meet notes a client of which there was no event yet.
func (c *Clients) meet(p events.PeerID) {
	if c.each[p] == nil && c.decided[p] == nil {
		c.peers = append(c.peers, p)
	}
}

// All is the fold of the whole session, nil without samples.
func (c *Clients) All() *Fold { return c.all }

// Peers are the clients in the order of their first events; the slice must not be changed.
func (c *Clients) Peers() []events.PeerID { return c.peers }

// Of is the fold of one client, nil for one without samples.
func (c *Clients) Of(p events.PeerID) *Fold { return c.each[p] }

// Decided is what was decided about one client. Its maps and its slice are the fold's: they must not be changed.
func (c *Clients) Decided(p events.PeerID) Decisions {
	if f := c.decided[p]; f != nil {
		return f.told
	}
	return Decisions{}
}
