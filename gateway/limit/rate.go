package limit

import (
	"maps"
	"math"
	"sync"
	"time"
)

// maxKeys bounds the memory of one [Rate]: some 100 bytes for each key.
const maxKeys = 1 << 16

// Rate bounds how often something happens for each key, as a leaky bucket (ITU-T I.371, annex A): what is let through
// fills it by one, it leaks at the rate, and holds the burst. Rate and burst come with each question, so that they can be
// changed at any time. Nothing is kept of a key whose bucket is empty. It is safe for concurrent use.
type Rate struct {
	mu      sync.Mutex
	buckets map[string]bucket
	max     int
	swept   time.Time
}

type bucket struct {
	level float64
	at    time.Time
}

// leaked is what is left in it.
func (b bucket) leaked(now time.Time, perSecond float64) bucket {
	return bucket{max(0, b.level-max(0, now.Sub(b.at).Seconds())*perSecond), now}
}

// NewRate makes a rate without keys.
func NewRate() *Rate { return &Rate{buckets: map[string]bucket{}, max: maxKeys} }

// slack is what sums of floating-point numbers may be off by.
const slack = 1e-6

// Allow counts one for key, and tells whether that is within perSecond, of which burst (at least one) may come at once. When
// it is not, wait is how long until it would be, and nothing was counted. perSecond of 0 allows all.
func (r *Rate) Allow(key string, perSecond float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[key]
	if !known && len(r.buckets) >= r.max {
		// Whoever comes with ever new addresses gets what is left for all of them together.
		r.sweep(now, perSecond)
		if len(r.buckets) >= r.max {
			key = ""
			b = r.buckets[key]
		}
	}
	b = b.leaked(now, perSecond)
	if over := b.level + 1 - float64(max(1, burst)); over > slack {
		seconds := min(over/perSecond, math.MaxInt32)
		return time.Duration(math.Ceil(seconds * float64(time.Second))), false
	}
	b.level++
	r.buckets[key] = b
	return 0, true
}

// sweepEvery keeps a flood of keys from making each of them a sweep.
const sweepEvery = 100 * time.Millisecond

// sweep forgets the keys whose bucket is empty.
func (r *Rate) sweep(now time.Time, perSecond float64) {
	if since := now.Sub(r.swept); since >= 0 && since < sweepEvery {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.buckets, func(_ string, b bucket) bool { return b.leaked(now, perSecond).level == 0 })
}

// Keys is how many keys are remembered.
func (r *Rate) Keys() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.buckets)
}
