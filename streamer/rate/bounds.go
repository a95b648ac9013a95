package rate

import "fmt"

// CauseBounds is that the bounds were changed.
const CauseBounds Cause = "bounds"

// Bound changes between which bitrates the pictures are to stay, in bit/s, as [TargetConfig] has them. The next call of Next tells what
// follows from it, however small the change is and whenever the last target was told; in an outage, the first after it.
func (t *Targeter) Bound(low, high int) error {
	if low < 0 || high < low || high == 0 {
		return fmt.Errorf("rate: target of %d to %d bit/s: give 0 <= low <= high", low, high)
	}
	t.cfg.Min, t.cfg.Max, t.bounded = low, high, true
	return nil
}

// Untried tells that nothing has been found yet that keeps the path from carrying more than the estimate: it stands at the upper
// bound, or where it began and has only risen from. An upper bound that was lower for a while does not make it so.
func (e *Estimator) Untried() bool {
	if e.draining || e.outage || e.barred > 0 {
		return false
	}
	switch e.cause {
	case CauseStart, CauseIncrease, CauseBounds:
		return !e.capacity.known || e.estimate >= full*e.high
	default:
		return e.estimate >= full*e.high
	}
}
