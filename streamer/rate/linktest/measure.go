package linktest

import (
	"slices"
	"time"
)

// Latency is the quantile q of the time from capture to being shown, of pictures captured between two times. What was dropped
// before it was sent is not among them: it shows as a gap, see [Result.Gap].
func (r *Result) Latency(q float64, from, to time.Duration) time.Duration {
	var list []time.Duration
	for _, f := range r.Frames {
		if f.Captured >= from && f.Captured < to && f.Shown > 0 {
			list = append(list, f.Shown-f.Captured)
		}
	}
	return quantile(list, q)
}

// Gap is the longest time between two pictures shown between two times.
func (r *Result) Gap(from, to time.Duration) time.Duration {
	last, gap := from, time.Duration(0)
	for _, f := range r.Frames {
		if f.Shown >= from && f.Shown < to {
			gap, last = max(gap, f.Shown-last), max(last, f.Shown)
		}
	}
	return max(gap, to-last)
}

// FirstShown is when the first picture captured after a time was shown.
func (r *Result) FirstShown(after time.Duration) time.Duration {
	for _, f := range r.Frames {
		if f.Captured >= after && f.Shown > 0 {
			return f.Shown
		}
	}
	return 0
}

// Used is the part of the capacity that was used between two times.
func (r *Result) Used(capacity func(time.Duration) float64, from, to time.Duration) float64 {
	var bits, could float64
	for i, p := range r.Points {
		if p.At < from || p.At >= to || i == 0 {
			continue
		}
		bits += float64(p.Delivered * 8)
		could += capacity(p.At) * lookEvery.Seconds()
	}
	return bits / could
}

// Reached is the first time from which on the estimate was at least bps, 0 for never.
func (r *Result) Reached(bps int, from time.Duration) time.Duration {
	for _, p := range r.Points {
		if p.At >= from && p.State.Estimate >= bps {
			return p.At
		}
	}
	return 0
}

// Waited is the quantile q of the time that packets sent between two times waited in the path's queue.
func (p *Path) Waited(q float64, from, to time.Duration) time.Duration {
	var list []time.Duration
	for _, w := range p.Waits {
		if w.At >= from && w.At < to {
			list = append(list, w.For)
		}
	}
	return quantile(list, q)
}

func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}
