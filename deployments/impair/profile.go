package impair

import (
	"fmt"
	"time"
)

// Overhead is what IPv4 and UDP add to each payload, in bytes (RFC 791, section 3.1; RFC 768). All rates, queues and counts
// include it, as those of a real bottleneck do.
const Overhead = 20 + 8

// DefaultQueue is the room before a bottleneck whose profile names none, as time at the present rate.
const DefaultQueue = 300 * time.Millisecond

// Profile is what a network does to the packets of one direction. The zero value does nothing to them. Times of a schedule
// count from when the profile was applied.
type Profile struct {
	// Delay is added to each packet.
	Delay time.Duration
	// Jitter is added on top, evenly distributed from none to this.
	Jitter time.Duration
	// Reorder lets packets overtake each other by jitter; without it a packet waits for those before it.
	Reorder bool
	// Loss is of packets that have passed the bottleneck.
	Loss Loss
	// Rate is the bottleneck's, from step to step; none is no bottleneck. The first step is at 0, the last one stays.
	Rate []Step
	// Queue bounds what waits before the bottleneck; what does not fit is dropped.
	Queue Queue
	// Outages are the times in which nothing passes, in order and apart from each other. A packet is lost that comes in one,
	// or that still waits before the bottleneck when one begins.
	Outages []Window
}

// Step is a rate from a time on.
type Step struct {
	At            time.Duration
	BitsPerSecond int64 // above 0
}

// Loss is of packets by chance.
type Loss struct {
	// Rate is the part of the packets that is lost in the long run, 0 to below 1.
	Rate float64
	// Burst is how many are lost in a row, in the mean: a Gilbert model with a state in which all are lost. 0 and 1 lose each
	// packet independently of the others.
	Burst float64
}

// Queue is the room before a bottleneck. Where both are zero it is [DefaultQueue]; where both are given the smaller one holds.
type Queue struct {
	// Delay is the room as the time that it takes to send what waits, at the rate of the moment.
	Delay time.Duration
	// Bytes is the room as such.
	Bytes int
}

// Window is a time from Begin to before End.
type Window struct{ Begin, End time.Duration }

// Capped is the rate of a bottleneck that never changes.
func Capped(bitsPerSecond int64) []Step { return []Step{{BitsPerSecond: bitsPerSecond}} }

// Validate tells whether the profile keeps to what is written at its fields.
func (p Profile) Validate() error {
	if p.Delay < 0 || p.Jitter < 0 {
		return fmt.Errorf("impair: delay %s and jitter %s: neither may be negative", p.Delay, p.Jitter)
	}
	if !(p.Loss.Rate >= 0 && p.Loss.Rate < 1) {
		return fmt.Errorf("impair: loss of %v: it must be 0 to below 1", p.Loss.Rate)
	}
	if b := p.Loss.Burst; b != 0 && (!(b >= 1) || p.Loss.enter() > 1) {
		return fmt.Errorf("impair: bursts of %v packets at a loss of %v: they must have at least 1, and more at a loss above a half", b, p.Loss.Rate)
	}
	if p.Queue.Delay < 0 || p.Queue.Bytes < 0 {
		return fmt.Errorf("impair: queue of %s and %d bytes: neither may be negative", p.Queue.Delay, p.Queue.Bytes)
	}
	for i, s := range p.Rate {
		switch {
		case s.BitsPerSecond <= 0:
			return fmt.Errorf("impair: rate %d is %d bit/s: it must be above 0; use an outage where nothing passes", i, s.BitsPerSecond)
		case i == 0 && s.At != 0, i > 0 && s.At <= p.Rate[i-1].At:
			return fmt.Errorf("impair: rate %d is from %s on: the first must be from 0 on, each other later than the one before", i, s.At)
		}
	}
	for i, w := range p.Outages {
		if w.Begin < 0 || w.End <= w.Begin || i > 0 && w.Begin < p.Outages[i-1].End {
			return fmt.Errorf("impair: outage %d is from %s to %s: give them in order, each with an end after its begin", i, w.Begin, w.End)
		}
	}
	return nil
}

// room is how many bytes may wait at a rate.
func (q Queue) room(bitsPerSecond int64) int {
	if q == (Queue{}) {
		q.Delay = DefaultQueue
	}
	room := q.Bytes
	if q.Delay > 0 {
		if byTime := int(q.Delay.Seconds() * float64(bitsPerSecond) / 8); room == 0 || byTime < room {
			room = byTime
		}
	}
	return room
}

// rate is that of a time since the profile was applied. There must be a step.
func (p Profile) rate(at time.Duration) int64 {
	rate := p.Rate[0].BitsPerSecond
	for _, s := range p.Rate[1:] {
		if at < s.At {
			break
		}
		rate = s.BitsPerSecond
	}
	return rate
}

// sent is when a bottleneck that begins with a packet at a time has sent it, through the steps on the way.
func (p Profile) sent(begin time.Duration, bytes int) time.Duration {
	bits := int64(bytes) * 8
	for i, s := range p.Rate {
		last := i == len(p.Rate)-1
		if !last && begin >= p.Rate[i+1].At {
			continue
		}
		end := begin + time.Duration((bits*int64(time.Second)+s.BitsPerSecond-1)/s.BitsPerSecond)
		if last || end <= p.Rate[i+1].At {
			return end
		}
		bits -= int64((p.Rate[i+1].At - begin).Seconds() * float64(s.BitsPerSecond))
		begin = p.Rate[i+1].At
	}
	return begin
}

// down tells whether an outage touches the time from begin to end, both included.
func (p Profile) down(begin, end time.Duration) bool {
	for _, w := range p.Outages {
		if begin < w.End && end >= w.Begin {
			return true
		}
	}
	return false
}
