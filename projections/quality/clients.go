package quality

import "streamstack/events"

// Clients folds the samples of a session, all of them and those of each client. It is not safe for concurrent use. The zero
// value is empty.
type Clients struct {
	all  *Fold
	each map[events.PeerID]*Fold
	// peers are the clients in the order of their first samples.
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
		c.each[s.Peer], c.peers = f, append(c.peers, s.Peer)
	}
	f.Apply(s)
	c.all.Apply(s)
}

// All is the fold of the whole session, nil without samples.
func (c *Clients) All() *Fold { return c.all }

// Peers are the clients in the order of their first samples; the slice must not be changed.
func (c *Clients) Peers() []events.PeerID { return c.peers }

// Of is the fold of one client, nil for one without samples.
func (c *Clients) Of(p events.PeerID) *Fold { return c.each[p] }
