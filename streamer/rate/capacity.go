package rate

import "math"

const (
	// capacityWeight is that of a new measurement.
	capacityWeight = 0.3
	// capacitySigmas off the mean is another capacity.
	capacitySigmas = 3.0
	// The relative deviation is at least and at most this: 4 % is the accuracy of a measurement.
	leastDeviation, mostDeviation = 0.04, 0.15
)

// capacity remembers at which rates the path was full.
type capacity struct {
	known     bool
	mean      float64 // bit/s
	deviation float64 // relative
}

func (c *capacity) add(bps float64) {
	if !(bps > 0) || math.IsInf(bps, 0) {
		return
	}
	off := math.Abs(bps-c.mean) / max(c.mean, 1)
	if !c.known || off > capacitySigmas*c.deviation {
		*c = capacity{known: true, mean: bps, deviation: (leastDeviation + mostDeviation) / 2}
		return
	}
	c.mean += capacityWeight * (bps - c.mean)
	c.deviation += capacityWeight * (off - c.deviation)
	c.deviation = min(max(c.deviation, leastDeviation), mostDeviation)
}

// above tells that a rate that arrived is more than the capacity that is remembered: it has grown.
func (c *capacity) above(bps float64) bool {
	return c.known && bps > c.mean*(1+capacitySigmas*c.deviation)
}
