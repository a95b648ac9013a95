package agent

import (
	"slices"
	"time"

	"streamstack/agent/driver"
)

// waiting is an instance of a [pool] that waits for a session.
type waiting struct {
	driver.Warm
	app string
	out chan struct{} // closed when it is in the list no more
}

// changes tells when the number of those that wait has changed; nil where none ever do.
func (p *pool) changes() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.changed
}

// size is how many wait; nil where none ever do.
func (p *pool) size() *int {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	return &n
}

// take takes an instance out that a session could have, best one that is meant for its application; nil when there is none.
func (p *pool) take(spec driver.Spec) driver.Warm {
	if p == nil {
		return nil
	}
	defer p.poke()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = time.Now()
	p.recent = append([]string{spec.Application.Name}, p.recent[:min(len(p.recent), p.want-1)]...)
	var found *waiting
	for _, w := range p.idle {
		if (found == nil || w.app == spec.Application.Name) && w.Fits(spec) {
			found = w
		}
	}
	if found == nil {
		return nil
	}
	p.drop(found)
	p.rest = 0 // it was there when it was needed
	return found.Warm
}

// drop takes one out of the list; false when it is not there any more. The caller holds the lock.
func (p *pool) drop(w *waiting) bool {
	i := slices.Index(p.idle, w)
	if i < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	close(w.out)
	tell(p.changed)
	return true
}
