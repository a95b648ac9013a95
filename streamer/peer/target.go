package peer

import "time"

// How the estimate becomes the encoder's target.
const (
	// targetTick is how often the estimate is looked at, and so how fast the target falls.
	targetTick = 100 * time.Millisecond
	// targetInterval is how often the target may rise or move a little.
	targetInterval = time.Second
	// targetDrop is the fall, as a part of the target, that is told at once.
	targetDrop = 0.05
	// quietLoss is the loss up to which the network counts as untroubled (as in gcc's loss controller).
	quietLoss = 0.02
	// troubledLoss is the loss from which it counts as congested.
	troubledLoss = 0.10
	// idleShare is the part of the target below which the encoder does not fill it, as with a still screen.
	idleShare = 0.8
	// goodputShare of what is being sent is kept under congestion.
	goodputShare = 0.85
)

// congestion is the state of the network as estimated.
type congestion struct {
	estimate int // bit/s
	overuse  bool
	loss     float64 // 0 to 1
}

// targeter turns estimates into targets. It is used by one goroutine.
type targeter struct {
	low, high int // bit/s
	target    int
	toldAt    time.Time
	told      int
}

// next takes the state and the rate being sent and returns the target if it has to be told.
//
// gcc takes an idle screen for a narrow network: it never estimates more than one and a half times what arrives. So while
// the encoder does not fill its target and nothing is wrong, a lower estimate is not believed; and under congestion the
// target does not fall below what evidently gets through.
func (t *targeter) next(now time.Time, net congestion, sent int) (bps int, tell bool) {
	congested := net.overuse || net.loss > troubledLoss
	idle := float64(sent) < idleShare*float64(t.target)
	wanted := net.estimate
	switch {
	case wanted >= t.target:
	case congested:
		wanted = min(t.target, max(wanted, int(goodputShare*float64(sent))))
	case idle && net.loss <= quietLoss:
		wanted = t.target
	}
	t.target = min(max(wanted, t.low), t.high)
	fall := float64(t.told - t.target)
	switch {
	case t.target == t.told:
		return 0, false
	case fall > targetDrop*float64(t.told), now.Sub(t.toldAt) >= targetInterval:
		t.told, t.toldAt = t.target, now
		return t.target, true
	default:
		return 0, false
	}
}

// rateMeter measures a rate over the last second from a counter read every targetTick. It is used by one goroutine.
type rateMeter struct {
	samples [int(time.Second / targetTick)]uint64
	next    int
}

// add takes the counter of bytes and returns the rate in bits per second.
func (m *rateMeter) add(total uint64) int {
	oldest := m.samples[m.next]
	m.samples[m.next] = total
	m.next = (m.next + 1) % len(m.samples)
	return int(total-oldest) * 8
}
