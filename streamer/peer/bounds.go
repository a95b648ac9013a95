package peer

import (
	"fmt"
	"time"
)

// DecidedBounds is that the bitrate has been given other bounds, from outside.
const DecidedBounds DecisionKind = "bounds"

// bounds are those of the video's bitrate, bit/s.
type bounds struct{ low, high int }

// SetBitrates changes the bounds of the video's bitrate that [Config] gave as MinBitrate and MaxBitrate, in bit/s. A peer that sends has
// its encoder told at once; the target is raised at once only as far as the lower bound asks and nothing is known against it, and beyond
// that by congestion control. It may be called at any time; of several calls in a row the last counts.
func (p *Peer) SetBitrates(low, high int) error {
	if low < 0 || high <= 0 || low > high {
		return fmt.Errorf("peer: bitrates %d to %d bit/s: give 0 <= low <= high, and high above 0", low, high)
	}
	p.bounds.Store(&bounds{low, high})
	select {
	case p.fed <- struct{}{}:
	default:
	}
	return nil
}

// rebound applies new bounds, if there are any.
func (f *follower) rebound(now time.Time) {
	p := f.p
	b := p.bounds.Swap(nil)
	if b == nil {
		return
	}
	err := p.targeter.Bound(b.low, b.high)
	if err == nil {
		err = p.estimator.bound(b.low, b.high)
	}
	if err != nil {
		p.log.Error("bounds of the bitrate not used", "error", err) // SetBitrates has checked them
		return
	}
	p.decided(Decision{At: now, Kind: DecidedBounds, Cause: "set", Min: b.low, Max: b.high}, p.estimator.state())
}

// wireBounds are those of the estimate for those of the pictures.
func wireBounds(most int) (low, high int) {
	high = int(repeatRoom*float64(most)) + soundBits
	return min(leastEstimate, high), high
}

// bound gives the estimate the bounds that follow from those of the pictures. Where nothing is known against it, the estimate begins
// where the lower one needs it, as it does at the start: else pictures would be left out until it has got there.
func (e *estimator) bound(low, high int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	least, most := wireBounds(high)
	if e.rate.Untried() {
		if err := e.rate.Bound(min(max(onWire(low), least), most), most); err != nil {
			return fmt.Errorf("peer: %w", err)
		}
	}
	if err := e.rate.Bound(least, most); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return nil
}

// onWire is what pictures of a bitrate, and the sound, take on the wire, with a little room for what else there is.
func onWire(bitrate int) int { return bitrate*112/100 + soundBits }
