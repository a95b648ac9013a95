package cadence

import (
	"time"

	"streamstack/streamer/frame"
)

// A browser shows at most one picture in each refresh of its display. Pictures that come at the same rate, but not in step with it, drift
// through its refreshes, and wherever they come close to one a little jitter puts two of them into the same and none into the next: of 60 pictures
// a second that arrive, 56 are seen. Taken in step with the display, each has a refresh of its own. That costs nothing: a picture waits for
// the next refresh anyhow.
const (
	// beatRate is up to which time between two pictures they are taken in step: at lower rates no two come within one refresh, and what the
	// program has just drawn is worth more.
	beatRate = 20 * time.Millisecond
	// beatShare is the part of an interval by which the display's may differ from it.
	beatShare = 64
	// beatEvery is the least time between two messages that count. Each may bring a picture forward, and a client that moves its refreshes
	// about all the time would get twice the rate.
	beatEvery = 200 * time.Millisecond
	// beatLife is how long what a client has told holds: three of its messages.
	beatLife = 3 * time.Second
	// beatLate is how late after a beat a change is still taken in it. It comes out of the lead that pictures have.
	beatLate = 2 * time.Millisecond
	// Pictures should come spreads/2 times the spread of their times before a refresh, so that one of a hundred is late, but at least leastLead.
	// At most 1/mostLead of a period: beyond that a missing picture is the lesser evil.
	leastLead, spreads, mostLead = 1500 * time.Microsecond, 5, 4
	// A path whose spread is more than 1/widest of a period, doubts messages in a row, is not worth it: in step with the program pictures are
	// younger. It is tried again after beatRest.
	widest, doubts = 5, 4
	beatRest       = 30 * time.Second
	// Of an error 1/easing is mended with each message, since the next one still knows some of the pictures before; of the first all.
	easing = 2
)

// beat is the rhythm of a client's display, as the streamer's clock would have it. The zero value follows none.
type beat struct {
	at     time.Time // one of the beats; zero for none
	period time.Duration
	until  time.Time // when it has not been heard of for too long
	heard  int       // messages since the beginning
	wide   int       // of them in a row whose spread was too much
	rest   time.Time // not to be followed before
}

// Follow tells how pictures meet the display of the client. They are taken in step with it from now on, if it refreshes as often as they come.
func (c *Cadence) Follow(now time.Time, r frame.Rhythm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.told) < beatEvery {
		return
	}
	c.told = now
	b := &c.beat
	switch {
	case c.interval > beatRate, (r.Period - c.interval).Abs() > c.interval/beatShare:
		*b = beat{}
	case now.Before(b.rest):
	case b.at.IsZero() || now.After(b.until): // where the refreshes are will be known from pictures that come evenly
		*b = beat{at: later(c.last, now.Add(-r.Period)), period: r.Period, until: now.Add(beatLife)}
	default:
		b.hear(now, r)
	}
}

func (b *beat) hear(now time.Time, r frame.Rhythm) {
	b.until = now.Add(beatLife)
	if r.Spread > r.Period/widest {
		if b.wide++; b.wide >= doubts {
			*b = beat{rest: now.Add(beatRest)}
		}
		return
	}
	b.wide = 0
	lead := min(max(leastLead, spreads*r.Spread/2), r.Period/mostLead)
	// How much sooner pictures should come, the shorter way around.
	sooner := (lead - r.Lead + r.Period/2) % r.Period
	if sooner < 0 {
		sooner += r.Period
	}
	sooner -= r.Period / 2
	if b.heard++; b.heard > 1 {
		sooner /= easing
	}
	b.at, b.period = b.onOrAfter(now).Add(-sooner), r.Period
}

// onOrAfter is the first beat that is not before a time.
func (b *beat) onOrAfter(t time.Time) time.Time {
	since := t.Sub(b.at)
	on := since.Truncate(b.period) // towards zero
	if on < since {
		on += b.period
	}
	return b.at.Add(on)
}

// next is when a change is taken, the first after the picture before, where a beat is followed. One after a pause is taken as soon as it
// has settled: no other picture is near enough to come within the same refresh.
func (b *beat) next(last, changed, latest, settled time.Time) (at time.Time, ok bool) {
	if b.at.IsZero() || latest.After(b.until) {
		return time.Time{}, false
	}
	if changed.Sub(last) >= 2*b.period {
		return settled, true
	}
	on := b.onOrAfter(later(last.Add(b.period/2), changed.Add(-beatLate)))
	return earlier(later(on, settled), on.Add(beatLate+settle)), true
}
