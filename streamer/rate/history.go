package rate

import "time"

// historySize is how many sent packets are remembered: three seconds at 30 Mbit/s, and far more than are under way where
// feedback comes at all. It must be a power of two, and at most half of the sequence numbers.
const historySize = 8192

type fate uint8

const (
	unknown fate = iota // sent, nothing heard
	arrived
	lost
)

// sending is one packet that was sent.
type sending struct {
	seq     int64 // unwrapped
	at      time.Duration
	size    int
	cluster int  // of a probe, 0 for none
	stale   bool // sent into an outage: nothing is learnt from it
	fate    fate
}

// history remembers what was sent until feedback tells its fate. It is a ring by sequence number.
type history struct {
	ring     [historySize]sending
	begun    bool
	newest   int64         // sent last
	settled  int64         // all up to this are out of the window: reported, or passed over by later reports
	inFlight int           // bytes
	oldest   time.Duration // when the oldest packet in flight was sent, if any is
}

// add notes a packet. Sequence numbers are those of the extension, given in the order of sending.
func (h *history) add(seq uint16, at time.Duration, size, cluster int) {
	next := int64(seq)
	if h.begun {
		next = h.newest + int64(seq-uint16(h.newest))
		if next == h.newest {
			return // the same again
		}
	} else {
		h.begun, h.settled = true, next-1
	}
	h.newest = next
	// A packet that nothing was ever heard of makes room.
	h.settle(next - historySize)
	if h.inFlight == 0 {
		h.oldest = at
	}
	h.ring[next&(historySize-1)] = sending{seq: next, at: at, size: size, cluster: cluster}
	h.inFlight += size
}

// find returns what was sent with a number, nil if it is not remembered.
func (h *history) find(seq uint16) *sending {
	if !h.begun {
		return nil
	}
	at := h.newest - int64(uint16(h.newest)-seq)
	p := &h.ring[at&(historySize-1)]
	if p.seq != at || p.size == 0 {
		return nil
	}
	return p
}

// settle takes all packets up to a number out of flight: also those whose report was lost itself.
func (h *history) settle(upTo int64) {
	if upTo = min(upTo, h.newest); upTo <= h.settled {
		return
	}
	for n := max(h.settled, upTo-historySize) + 1; n <= upTo; n++ {
		if p := &h.ring[n&(historySize-1)]; p.seq == n {
			h.inFlight -= p.size
		}
	}
	h.settled = upTo
	for n := upTo + 1; n <= h.newest; n++ {
		if p := &h.ring[n&(historySize-1)]; p.seq == n {
			h.oldest = p.at
			return
		}
	}
	h.inFlight = 0
}

// doubt marks what is in flight as sent into an outage.
func (h *history) doubt() {
	for n := max(h.settled, h.newest-historySize) + 1; n <= h.newest; n++ {
		if p := &h.ring[n&(historySize-1)]; p.seq == n {
			p.stale = true
		}
	}
}

// doubtLast marks what was sent last likewise.
func (h *history) doubtLast() {
	if h.begun {
		h.ring[h.newest&(historySize-1)].stale = true
	}
}
