package projections

import "streamstack/events"

// After returns a channel that is closed once an event with a higher sequence than seq has been folded. Whoever does not
// wait any more must call stop.
func (r *Runner[S]) After(seq events.Seq) (folded <-chan struct{}, stop func()) {
	w := waiter{seq + 1, make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at > seq {
		close(w.done)
		return w.done, func() {}
	}
	r.waiters = append(r.waiters, w)
	return w.done, func() { r.forget(w) }
}
