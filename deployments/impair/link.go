package impair

import (
	"math/rand/v2"
	"time"
)

// Cause is why a packet is not delivered.
type Cause int

// The causes.
const (
	// Passed is no cause: the packet is delivered.
	Passed Cause = iota
	// Lost by chance.
	Lost
	// Overflow of the queue before the bottleneck.
	Overflow
	// Down is an outage.
	Down
	// Refused by the relay itself, which was at one of its own limits: a measurement with such is void.
	Refused
	causes
)

// Link decides what happens to the packets of one direction. Times are since its making; it has no clock of its own and is
// used by one goroutine.
type Link struct {
	profile Profile
	epoch   time.Duration // when the profile was applied
	seed    [2]uint64
	random  *rand.Rand
	losing  bool          // the Gilbert model's bad state
	free    time.Duration // when the bottleneck has sent all that it took
	latest  time.Duration // delivery of those so far
	waiting fifo
}

// NewLink makes a link without any impairment. Links of the same seed and stream decide alike.
func NewLink(seed, stream uint64) *Link {
	l := &Link{seed: [2]uint64{seed, stream}}
	l.Apply(0, Profile{})
	return l
}

// Apply has a profile, which must be valid, hold from now on, with the seed's numbers from the first on. Packets taken before
// keep the times that they were given.
func (l *Link) Apply(now time.Duration, p Profile) {
	l.profile, l.epoch, l.losing = p, now, false
	l.random = rand.New(rand.NewPCG(l.seed[0], l.seed[1])) //nolint:gosec // reproducible is the point
}

// Fate is what happens to a packet.
type Fate struct {
	Cause Cause
	// At is when it is delivered, if Cause is Passed.
	At time.Duration
	// Queued is how long it took to pass the bottleneck, its own sending included, if it did.
	Queued time.Duration
}

// Offer takes a packet of so many bytes, [Overhead] included, at a time not before that of the call before.
//
// Each packet draws the same two numbers whatever happens to it: so the packets that a seed loses are the same ones at any
// rate, in any queue.
func (l *Link) Offer(now time.Duration, bytes int) Fate {
	lost := l.profile.Loss.next(l.random, &l.losing)
	jitter := time.Duration(l.random.Float64() * float64(l.profile.Jitter))
	if l.profile.down(now-l.epoch, now-l.epoch) {
		return Fate{Cause: Down}
	}
	passed := now
	if len(l.profile.Rate) > 0 {
		l.waiting.sentBy(now)
		if l.waiting.bytes+bytes > l.profile.Queue.room(l.profile.rate(now-l.epoch)) {
			return Fate{Cause: Overflow}
		}
		passed = l.epoch + l.profile.sent(max(now, l.free)-l.epoch, bytes)
		if l.profile.down(now-l.epoch, passed-l.epoch) {
			return Fate{Cause: Down}
		}
		l.free = passed
		l.waiting.push(passed, bytes)
	}
	fate := Fate{Queued: passed - now}
	if lost {
		fate.Cause = Lost
		return fate
	}
	fate.At = passed + l.profile.Delay + jitter
	if !l.profile.Reorder {
		fate.At = max(fate.At, l.latest)
	}
	l.latest = max(l.latest, fate.At)
	return fate
}

// enter is the chance of the Gilbert model to begin a burst, which has a mean of Burst packets: the part of the packets in
// the bad state is enter / (enter + 1/Burst), which is to be Rate.
func (s Loss) enter() float64 { return s.Rate / (s.Burst * (1 - s.Rate)) }

// next tells whether the next packet is lost, by one number.
func (s Loss) next(random *rand.Rand, losing *bool) bool {
	u := random.Float64()
	switch {
	case s.Burst <= 1:
		*losing = u < s.Rate
	case *losing:
		*losing = u >= 1/s.Burst
	default:
		*losing = u < s.enter()
	}
	return *losing
}

// fifo is what waits before a bottleneck: when each packet has been sent, in order, and how many bytes they are.
type fifo struct {
	packets []waiting
	first   int
	bytes   int
}

type waiting struct {
	sent  time.Duration
	bytes int
}

func (f *fifo) push(sent time.Duration, bytes int) {
	if f.first > 64 && f.first > len(f.packets)/2 { // move down in place of growing for ever
		f.packets, f.first = append(f.packets[:0], f.packets[f.first:]...), 0
	}
	f.packets = append(f.packets, waiting{sent, bytes})
	f.bytes += bytes
}

// sentBy forgets what has been sent.
func (f *fifo) sentBy(now time.Duration) {
	for ; f.first < len(f.packets) && f.packets[f.first].sent <= now; f.first++ {
		f.bytes -= f.packets[f.first].bytes
	}
}
