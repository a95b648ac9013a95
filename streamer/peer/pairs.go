package peer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/pion/webrtc/v3"
)

// pairsEvery is how often the candidate pairs are looked at until there is a connection. ICE forgets them when it fails, so
// they must be known before.
const pairsEvery = 250 * time.Millisecond

// Pairs counts the candidate pairs of one kind that ICE checked (RFC 8445, section 6.1.2). It holds no address.
type Pairs struct {
	// Local and Remote are candidate types: host, srflx, prflx or relay.
	Local, Remote string
	// Protocol is udp or tcp.
	Protocol string
	// Count is how many there were, Answered how many of them the client was reached on.
	Count, Answered int
}

// Pairs are the candidate pairs that were tried for the connection, by kind; nil before the first. It may be called at any
// time, also after the peer has ended.
func (p *Peer) Pairs() []Pairs {
	if list := p.pairs.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// watchPairs looks at the pairs until ICE has come to an end, good or bad.
func (p *Peer) watchPairs(ctx context.Context) {
	tick := time.NewTicker(pairsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch p.pc.ConnectionState() {
		case webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting:
			p.notePairs()
		default:
			return
		}
	}
}

// notePairs keeps the pairs as they are now, unless they are forgotten already.
func (p *Peer) notePairs() {
	if list := countPairs(p.pc.GetStats()); len(list) > 0 {
		p.pairs.Store(&list)
	}
}

// countPairs counts the pairs of a report by kind, the most common first.
func countPairs(report webrtc.StatsReport) (list []Pairs) {
	kinds := map[Pairs]*Pairs{}
	for _, s := range report {
		pair, ok := s.(webrtc.ICECandidatePairStats)
		if !ok {
			continue
		}
		local, isLocal := report[pair.LocalCandidateID].(webrtc.ICECandidateStats)
		remote, isRemote := report[pair.RemoteCandidateID].(webrtc.ICECandidateStats)
		if !isLocal || !isRemote {
			continue
		}
		kind := Pairs{Local: local.CandidateType.String(), Remote: remote.CandidateType.String(), Protocol: local.Protocol}
		if kinds[kind] == nil {
			counted := kind
			kinds[kind] = &counted
		}
		kinds[kind].Count++
		if pair.State == webrtc.StatsICECandidatePairStateSucceeded {
			kinds[kind].Answered++
		}
	}
	for _, k := range kinds {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b Pairs) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Local, b.Local), cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Protocol, b.Protocol))
	})
	return list
}
