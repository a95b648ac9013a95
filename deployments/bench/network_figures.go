package bench

import (
	"slices"
	"time"

	"streamstack/deployments/bench/g2g"
)

// freezeLimit is how long a picture may stand still before the tables count it as a freeze.
const freezeLimit = 200 * time.Millisecond

const (
	// freshLatency is the age up to which a picture counts as in time, on top of the path's own delay.
	freshLatency = 150 * time.Millisecond
	// steadyTime is how long all must be well until it counts as recovered.
	steadyTime = time.Second
	// steadyPart is the part of the pictures that are to be in time then: the machine has other things to do.
	steadyPart = 0.95
	// fullPart of a cap is what should be used.
	fullPart = 0.8
)

// between is the part of a recording from one moment to before another.
func between(r g2g.Recording, from, to time.Time) g2g.Recording {
	begin := slices.IndexFunc(r.Frames, func(f g2g.Frame) bool { return !f.Shown.Before(from) })
	if begin < 0 {
		begin = len(r.Frames)
	}
	end := begin + slices.IndexFunc(r.Frames[begin:], func(f g2g.Frame) bool { return !f.Shown.Before(to) })
	if end < begin {
		end = len(r.Frames)
	}
	r.From, r.To, r.Frames = from, to, r.Frames[begin:end]
	return r
}

// recovery is the time from a moment to the first picture after it with which a second begins in which the pictures are in
// time, for a path of this delay, none stands still for longer than freezeLimit, and what else is asked for holds. ok is false
// where there is none.
func recovery(r g2g.Recording, from time.Time, path time.Duration, also func(from, to time.Time) bool) (took time.Duration, ok bool) {
	for _, f := range r.Frames {
		end := f.Shown.Add(steadyTime)
		if f.Shown.Before(from) || end.After(r.To) || f.Latency() > freshLatency+path || !also(f.Shown, end) {
			continue
		}
		second := between(r, f.Shown, end)
		late := 0
		for _, g := range second.Frames {
			if g.Latency() > freshLatency+path {
				late++
			}
		}
		if float64(late) <= (1-steadyPart)*float64(len(second.Frames)) && len(second.Freezes(freezeLimit)) == 0 {
			return f.Shown.Sub(from), true
		}
	}
	return 0, false
}

// sample is how many bytes had come through a network at a time.
type sample struct {
	at    time.Time
	bytes uint64
}

// passage is a series of them, in the order of time.
type passage []sample

// at is how many bytes had come by a time, interpolated between the samples around it.
func (p passage) at(t time.Time) float64 {
	var before sample
	for _, s := range p {
		if !s.at.Before(t) {
			if before.at.IsZero() {
				return float64(s.bytes)
			}
			return float64(before.bytes) + float64(s.bytes-before.bytes)*float64(t.Sub(before.at))/float64(s.at.Sub(before.at))
		}
		before = s
	}
	return float64(before.bytes)
}

// bitsPerSecond is the rate from one moment to another.
func (p passage) bitsPerSecond(from, to time.Time) float64 {
	return (p.at(to) - p.at(from)) * 8 / to.Sub(from).Seconds()
}

// fills asks that fullPart of a rate passes.
func (p passage) fills(bitsPerSecond float64) func(from, to time.Time) bool {
	return func(from, to time.Time) bool { return p.bitsPerSecond(from, to) >= fullPart*bitsPerSecond }
}
