package rate

import (
	"math"
	"time"
)

// Usage is what the delay says of the path.
type Usage uint8

// The usages of draft-ietf-rmcat-gcc-02, section 5.4.
const (
	Normal Usage = iota
	Overuse
	Underuse
)

// String implements fmt.Stringer.
func (u Usage) String() string {
	return [...]string{"normal", "overuse", "underuse"}[min(u, Underuse)]
}

const (
	// trendPoints groups make the line, and not more than trendTime of them: at 10 pictures a second twenty groups would be two
	// seconds.
	trendPoints = 20
	trendTime   = 700 * time.Millisecond
	// smoothing is the weight of what was in the smoothed delay.
	smoothing = 0.9
	// trendGain makes the slope comparable with the threshold; it counts with the number of groups up to maxDeltas.
	trendGain, maxDeltas = 4.0, 60
	// The threshold, in the unit of the modified slope, adapts to what is measured, upwards more slowly (section 5.4): on a
	// path shared with greedy flows a fixed one would starve us.
	thresholdStart, thresholdLeast, thresholdMost = 12.5, 6.0, 600.0
	thresholdUp, thresholdDown                    = 0.0087, 0.039
	// farAbove the threshold is no measure of it: a sudden jump.
	farAbove = 15.0
	// overuseTime is how long the slope must be above.
	overuseTime = 10 * time.Millisecond
)

type point struct{ at, delay float64 } // milliseconds

// trend finds out whether the delay grows: the slope of a line through the smoothed delays of the last groups.
type trend struct {
	begun     bool
	first     time.Duration
	points    []point
	delay     float64 // accumulated, ms
	smooth    float64
	deltas    int
	last      float64 // slope of the last time
	threshold float64
	adapted   time.Duration
	over      time.Duration // time above the threshold
	overs     int
	usage     Usage
}

func (t *trend) add(s step) Usage {
	if !t.begun {
		*t = trend{begun: true, first: s.at, threshold: thresholdStart, adapted: s.at, points: make([]point, 0, trendPoints)}
	}
	t.deltas = min(t.deltas+1, maxDeltas)
	t.delay += milliseconds(s.seen - s.sent)
	t.smooth = smoothing*t.smooth + (1-smoothing)*t.delay
	if len(t.points) == trendPoints {
		t.points = append(t.points[:0], t.points[1:]...)
	}
	at := milliseconds(s.at - t.first)
	t.points = append(t.points, point{at, t.smooth})
	for len(t.points) > 2 && at-t.points[0].at > milliseconds(trendTime) {
		t.points = append(t.points[:0], t.points[1:]...)
	}
	slope := t.last
	if len(t.points) >= 2 {
		slope = fit(t.points, slope)
	}
	t.detect(slope, s)
	return t.usage
}

// fit is the slope of the least squares line, or otherwise where all points are at one time.
func fit(points []point, otherwise float64) float64 {
	var x, y float64
	for _, p := range points {
		x, y = x+p.at, y+p.delay
	}
	x, y = x/float64(len(points)), y/float64(len(points))
	var up, down float64
	for _, p := range points {
		up += (p.at - x) * (p.delay - y)
		down += (p.at - x) * (p.at - x)
	}
	if down == 0 {
		return otherwise
	}
	return up / down
}

func (t *trend) detect(slope float64, s step) {
	modified := float64(t.deltas) * slope * trendGain
	switch {
	case t.deltas < 2:
		t.usage = Normal
	case modified > t.threshold:
		t.over += s.sent
		if t.overs == 0 {
			t.over = s.sent / 2 // it began somewhere in between
		}
		t.overs++
		if t.over > overuseTime && t.overs > 1 && slope >= t.last {
			t.over, t.overs, t.usage = 0, 0, Overuse
		}
	default:
		t.over, t.overs, t.usage = 0, 0, Normal
		if modified < -t.threshold {
			t.usage = Underuse
		}
	}
	t.last = slope
	t.adapt(math.Abs(modified), s.at)
}

func (t *trend) adapt(modified float64, at time.Duration) {
	passed := min(max(milliseconds(at-t.adapted), 0), 100)
	t.adapted = at
	if modified > t.threshold+farAbove {
		return
	}
	speed := thresholdUp
	if modified < t.threshold {
		speed = thresholdDown
	}
	t.threshold += speed * (modified - t.threshold) * passed
	t.threshold = min(max(t.threshold, thresholdLeast), thresholdMost)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
