package projections

import (
	"slices"
	"time"

	"streamstack/events"
)

// Viewer is a client that only watches: it displaces nobody, and does not keep its session alive.
type Viewer struct {
	Peer events.PeerID
	// Number counts the session's viewers, from 1; it is the generation of its joined event.
	Number int
	// JoinedSeq is where its negotiation begins in the log.
	JoinedSeq events.Seq
	JoinedAt  time.Time
	// Connected tells that it streams now.
	Connected bool
}

// MaxViewers is how many viewers a session has at most, whatever limit a gateway was given: more are not let in, and a streamer
// of ours serves no more, for each takes its share of the machine's upstream.
const MaxViewers = 64

// maxViewers bounds what a session's state holds of a log that others wrote: more than [MaxViewers], and the same for ever, for
// a state is read from snapshots as well.
const maxViewers = 256

// Viewer returns one of the session's viewers: those that were let in and have not gone.
func (s Session) Viewer(p events.PeerID) (Viewer, bool) {
	if i := s.viewerIndex(p); i >= 0 {
		return s.Viewers[i], true
	}
	return Viewer{}, false
}

func (s Session) viewerIndex(p events.PeerID) int {
	return slices.IndexFunc(s.Viewers, func(v Viewer) bool { return v.Peer == p })
}

// Watching is how many viewers are connected.
func (s Session) Watching() (n int) {
	for _, v := range s.Viewers {
		if v.Connected {
			n++
		}
	}
	return n
}

// admitViewer lets a viewer in.
func (s *Session) admitViewer(e events.Event, d events.JoinedData) {
	s.Watched = max(s.Watched, d.Generation)
	if d.Peer == "" || d.Peer == s.Peer || s.Ended() || s.viewerIndex(d.Peer) >= 0 || len(s.Viewers) >= maxViewers {
		return
	}
	s.Viewers = append(slices.Clip(s.Viewers), Viewer{Peer: d.Peer, Number: d.Generation, JoinedSeq: e.Sequence, JoinedAt: when(e)})
}

// viewerConnected notes that a viewer streams.
func (s *Session) viewerConnected(i int) {
	viewers := slices.Clone(s.Viewers)
	viewers[i].Connected = true
	s.Viewers = viewers
}

// dropViewers takes out the viewers that gone says have gone.
func (s *Session) dropViewers(gone func(Viewer) bool) {
	s.Viewers = slices.DeleteFunc(slices.Clone(s.Viewers), gone)
	if len(s.Viewers) == 0 {
		s.Viewers = nil // the same state as before the first
	}
}
