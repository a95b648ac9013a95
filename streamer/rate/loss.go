package rate

import (
	"math"
	"time"
)

const (
	// lossTime and lossPackets are what a judgement on loss rests on at least; with less it waits, up to lossPatience.
	lossTime, lossPatience = 300 * time.Millisecond, 1500 * time.Millisecond
	lossPackets, lossFew   = 30, 10
	// lossMargin above what the path loses anyway counts as congestion, and lossSigmas of what chance makes of so few packets.
	lossMargin, lossSigmas = 0.05, 3.0
	// usualUp is how fast a loss becomes the usual one, usualDown the part by which less of it is believed at once.
	usualUp, usualDown = 3 * time.Second, 0.5
	// maxUsual bounds what passes for the path's own: a path that loses more is too narrow, or useless.
	maxUsual = 0.30
	// blackout is the time sent without any arrival that is an interruption and says nothing of the rate.
	blackout = 120 * time.Millisecond
)

// losses tells the loss that a lower rate would avoid from the loss that the path has at any rate.
type losses struct {
	since       time.Duration
	got, missed int
	usual       float64 // 0 to 1
	last        float64 // of the last judgement
	// run is the packets lost in a row, with nothing that arrived between.
	run                 int
	runFirst, runLatest time.Duration // when its first and last were sent
}

// lose takes a packet that did not arrive, in the order of sending.
func (l *losses) lose(sent time.Duration) {
	if l.run == 0 {
		l.runFirst = sent
	}
	l.run++
	l.runLatest = sent
}

// arrive takes one that did. interrupted tells that everything before it was lost for a while.
func (l *losses) arrive() (interrupted bool) {
	l.got++
	if l.run > 0 {
		if interrupted = l.runLatest-l.runFirst >= blackout; !interrupted {
			l.missed += l.run
		}
		l.run = 0
	}
	return interrupted
}

// late takes one that was reported as lost and came nevertheless.
func (l *losses) late() { l.missed = max(0, l.missed-1) }

// judge returns the part of the packets that was lost beyond the usual, and 0 while that may be chance or there are too few.
func (l *losses) judge(now time.Duration) (excess float64) {
	n, passed := l.got+l.missed, now-l.since
	if passed < lossTime || n < lossPackets && (passed < lossPatience || n < lossFew) {
		return 0
	}
	fraction := float64(l.missed) / float64(n)
	floor := max(l.usual, 0.02)
	if fraction-l.usual > lossMargin+lossSigmas*math.Sqrt(floor*(1-floor)/float64(n)) {
		excess = fraction - l.usual
	}
	if fraction < l.usual {
		l.usual += usualDown * (fraction - l.usual)
	} else {
		l.usual += min(1, passed.Seconds()/usualUp.Seconds()) * (fraction - l.usual)
	}
	l.usual = min(l.usual, maxUsual)
	l.since, l.got, l.missed, l.last = now, 0, 0, fraction
	return excess
}

// forget begins anew, as after an outage; what is usual stays.
func (l *losses) forget(now time.Duration) {
	l.since, l.got, l.missed, l.run = now, 0, 0, 0
}
