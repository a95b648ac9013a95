package g2g

import (
	"fmt"
	"slices"
	"time"
)

// Distribution is of some times, in milliseconds. The zero value is that of none.
type Distribution struct {
	N                            int
	P10, P50, P90, P95, P99, Max float64
}

func (d Distribution) String() string {
	if d.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f / %.0f / %.0f", d.P50, d.P90, d.P99)
}

// distribute interpolates between the nearest values.
func distribute(ms []float64) Distribution {
	if len(ms) == 0 {
		return Distribution{}
	}
	sorted := slices.Sorted(slices.Values(ms))
	at := func(q float64) float64 {
		place := q * float64(len(sorted)-1)
		low := int(place)
		return sorted[low] + (sorted[min(low+1, len(sorted)-1)]-sorted[low])*(place-float64(low))
	}
	return Distribution{N: len(sorted), P10: at(0.1), P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), Max: at(1)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fresh are the frames that count for latency: each picture when it was first shown by its own callback.
func (r Recording) fresh() (frames []Frame) {
	for _, f := range r.Frames {
		if f.Replaced || len(frames) > 0 && f.Painted.Equal(frames[len(frames)-1].Painted) {
			continue
		}
		frames = append(frames, f)
	}
	return frames
}

func (r Recording) times(of func(Frame) (from, to time.Time)) Distribution {
	var ms []float64
	for _, f := range r.fresh() {
		if from, to := of(f); !from.IsZero() && !to.IsZero() {
			ms = append(ms, milliseconds(to.Sub(from)))
		}
	}
	return distribute(ms)
}

// Latency is the age of pictures when they were shown: the figure that counts.
func (r Recording) Latency() Distribution {
	return r.times(func(f Frame) (from, to time.Time) { return f.Painted, f.Shown })
}

// Up is from painting to the last packet in the browser: capture, encoding, sending. With Down it makes the latency.
func (r Recording) Up() Distribution {
	return r.times(func(f Frame) (from, to time.Time) { return f.Painted, f.Received })
}

// Wait is the part of Up before the capture; it has the error of the browser's estimate of the streamer's clock.
func (r Recording) Wait() Distribution {
	return r.times(func(f Frame) (from, to time.Time) { return f.Painted, f.Captured })
}

// Down is from the last packet to the callback: jitter buffer, decoding, the wait for the browser's next frame.
func (r Recording) Down() Distribution {
	return r.times(func(f Frame) (from, to time.Time) { return f.Received, f.Shown })
}

// Lead is how long before a refresh of the page pictures were ready: what is left of that to jitter before one is shown late, or not at all.
func (r Recording) Lead() Distribution {
	return r.times(func(f Frame) (from, to time.Time) { return f.Ready, f.Refresh })
}

// Decode is what the browser says of the time in its decoder.
func (r Recording) Decode() Distribution {
	return r.times(func(f Frame) (from, to time.Time) {
		if f.Decode == 0 {
			return time.Time{}, time.Time{}
		}
		return f.Shown.Add(-f.Decode), f.Shown
	})
}

// Distinct is how many different pictures were shown.
func (r Recording) Distinct() int {
	seen := map[int64]struct{}{}
	for _, f := range r.Frames {
		seen[f.Painted.UnixMilli()] = struct{}{}
	}
	return len(seen)
}

// Seconds is how long the recording is.
func (r Recording) Seconds() float64 { return r.To.Sub(r.From).Seconds() }

// Rate is how many different pictures were shown a second.
func (r Recording) Rate() float64 { return float64(r.Distinct()) / r.Seconds() }

// Gap is a time in which the picture stood still.
type Gap struct{ From, To time.Time }

// Length is how long it stood still.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// Freezes are the gaps between two different pictures that are longer than a limit, those at both ends of the recording
// included.
func (r Recording) Freezes(limit time.Duration) (gaps []Gap) {
	last := r.From
	note := func(now time.Time) {
		if now.Sub(last) > limit {
			gaps = append(gaps, Gap{From: last, To: now})
		}
		last = now
	}
	for _, f := range r.fresh() {
		note(f.Shown)
	}
	note(r.To)
	return gaps
}

// Inputs is how long inputs took: until they were seen, until clockcode had them, and from there.
type Inputs struct {
	Photon, Up, Down Distribution
	Missed           int
}

// patience is how long after an input its effect counts.
const patience = 3 * time.Second

// Input is from the events in the page to the first frames that show them. What clockcode adds is up to one of its frames.
func (r Recording) Input() (in Inputs) {
	var photon, up, down []float64
	for _, at := range r.Inputs {
		before, after := r.around(at)
		if before == nil || after == nil {
			in.Missed++
			continue
		}
		photon = append(photon, milliseconds(after.Shown.Sub(at)))
		if !after.Pressed.IsZero() {
			up = append(up, milliseconds(after.Pressed.Sub(at)))
			down = append(down, milliseconds(after.Shown.Sub(after.Pressed)))
		}
	}
	in.Photon, in.Up, in.Down = distribute(photon), distribute(up), distribute(down)
	return in
}

// around finds the last frame before an input and the first that shows it.
func (r Recording) around(at time.Time) (before, after *Frame) {
	for i, f := range r.Frames {
		switch {
		case f.Presses < 0:
		case !f.Shown.After(at):
			before = &r.Frames[i]
		case before == nil, f.Shown.Sub(at) > patience:
			return before, nil
		case f.Presses == (before.Presses+1)%8:
			return before, &r.Frames[i]
		}
	}
	return before, nil
}
