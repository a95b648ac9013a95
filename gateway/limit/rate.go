package limit

import (
	"maps"
	"math"
	"sync"
	"time"
)

// maxKeys bounds the memory of one [Rate]: some 100 bytes for each key.
const maxKeys = 1 << 16

// Rate bounds how often something happens for each key, by the generic cell rate algorithm (ITU-T I.371, annex A): all it
// keeps of a key is one time, and nothing of a key whose allowance is whole. Rate and burst come with each question, so
// that they can be changed at any time. It is safe for concurrent use.
type Rate struct {
	mu sync.Mutex
	// full is when the allowance of a key is whole again.
	full  map[string]time.Time
	max   int
	swept time.Time
}

// NewRate makes a rate without keys.
func NewRate() *Rate { return &Rate{full: map[string]time.Time{}, max: maxKeys} }

// Allow counts one for key, and tells whether that is within perSecond, of which burst may come at once. When it is not, wait
// is how long until it would be, and nothing was counted. perSecond of 0 allows all.
func (r *Rate) Allow(key string, perSecond float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	every := time.Duration(math.Ceil(float64(time.Second) / perSecond))
	ahead := every * time.Duration(max(0, burst-1))
	r.mu.Lock()
	defer r.mu.Unlock()
	full, known := r.full[key]
	if !known && len(r.full) >= r.max {
		// Whoever comes with ever new addresses gets what is left for all of them together.
		r.sweep(now)
		if len(r.full) >= r.max {
			key = ""
			full = r.full[key]
		}
	}
	if full.Before(now) {
		full = now
	}
	if wait := full.Sub(now) - ahead; wait > 0 {
		return wait, false
	}
	r.full[key] = full.Add(every)
	return 0, true
}

// sweepEvery keeps a flood of keys from making each of them a sweep.
const sweepEvery = 100 * time.Millisecond

// sweep forgets the keys whose allowance is whole.
func (r *Rate) sweep(now time.Time) {
	if since := now.Sub(r.swept); since >= 0 && since < sweepEvery {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.full, func(_ string, full time.Time) bool { return !full.After(now) })
}

// Keys is how many keys are remembered.
func (r *Rate) Keys() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.full)
}
