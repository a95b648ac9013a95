package rate

import "time"

const (
	// goodputTime is over how much time the rate of arrival is measured, goodputShort what a sudden change is seen in.
	goodputTime  = 500 * time.Millisecond
	goodputShort = 150 * time.Millisecond
	// maxArrivals bounds the memory: beyond, the time is shorter.
	maxArrivals = 2048
)

type arrival struct {
	at   time.Duration // on the receiver's clock
	size int
}

// arrivals measures the rate at which the receiver gets packets, on its own clock.
type arrivals struct {
	list  []arrival
	first time.Duration
	begun bool
}

func (a *arrivals) add(at time.Duration, size int) {
	if n := len(a.list); n > 0 && (at < a.list[n-1].at-clockJump || at > a.list[n-1].at+clockJump) {
		a.reset() // the clock jumped, or nothing came for long
	}
	if !a.begun {
		a.begun, a.first = true, at
	}
	i := len(a.list)
	for i > 0 && a.list[i-1].at > at {
		i--
	}
	a.list = append(a.list, arrival{})
	copy(a.list[i+1:], a.list[i:])
	a.list[i] = arrival{at, size}
	newest := a.list[len(a.list)-1].at
	drop := max(0, len(a.list)-maxArrivals)
	for drop < len(a.list) && a.list[drop].at <= newest-goodputTime {
		drop++
	}
	if drop > 0 {
		a.list = append(a.list[:0], a.list[drop:]...)
	}
}

func (a *arrivals) reset() { *a = arrivals{list: a.list[:0]} }

// rate is the bitrate of the last time up to the newest arrival; ok is false before there was that much time.
func (a *arrivals) rate(over time.Duration) (bps float64, ok bool) {
	if len(a.list) == 0 {
		return 0, false
	}
	newest := a.list[len(a.list)-1].at
	if newest-a.first < over {
		return 0, false
	}
	bytes := 0
	for i := len(a.list) - 1; i >= 0 && a.list[i].at > newest-over; i-- {
		bytes += a.list[i].size
	}
	return float64(bytes) * 8 / over.Seconds(), true
}
