// Package cadence decides when the next picture of a screen is due.
//
// Where nothing changes nothing needs to be encoded; but a screen that changes must be seen at once, and a stream that says nothing at all
// looks dead. So there are four reasons for a picture:
//
//   - change: something on the screen is new. It is taken at once, or, when pictures follow each other, as soon as the frame rate allows,
//     in step with a program that draws evenly: its picture is taken when it has just been drawn. The answer to an input does not wait
//     for its turn (Acted), and pictures at the rate of the client's display are taken in step with that (Follow).
//   - request: a key frame was asked for. It is made of whatever is on the screen, at once: a client that joins a still screen has nothing to show.
//   - refinement: a picture of a moving screen gets few bits. When it has come to rest the same picture is encoded some more times, each
//     time sharper, until the encoder has nothing to add.
//   - keep-alive: once a second, so that receivers and congestion control know that the stream lives. The screen is read anew each time:
//     what the X server does not report as damage (a driver that draws past it) shows all the same.
//
// The package has no clock and starts no goroutine: it is told the time, which makes it a function that can be tested in full.
package cadence

import (
	"sync"
	"time"
)

const (
	// KeepAlive is the longest time between two pictures.
	KeepAlive = time.Second
	// settle is how long a change waits for the rest of it: programs draw a picture with several requests, and half of one should not be
	// taken. It is well below what anybody sees, and long for a program that draws.
	settle = time.Millisecond
	// refineAfter is how long the screen must have been at rest before refinement begins, refineEvery the least time between two of its
	// pictures, refineMost how many there are after one change: with one picture's share of the bitrate each, a second's worth.
	refineAfter = 100 * time.Millisecond
	refineEvery = time.Second / 30
	refineMost  = 30
	// A refinement has nothing to add when calmPictures in a row take less than 1/calmShare of their share of the bitrate.
	calmPictures, calmShare = 3, 4
	// Changes that come evenly, steadyGaps in a row within 1/steadyShare of their mean, are those of a program with a rhythm of its own:
	// where one is more than stale old when its picture is due, the next is worth waiting for, up to late longer than it should take.
	steadyGaps, steadyShare = 4, 4
	stale, late             = 3 * time.Millisecond, 2 * time.Millisecond
	// effect is for how long after an input a change counts as its answer: programs draw it with their next picture or the one after.
	// nearest is the part of a turn that lies between any two pictures of change: less than half, so that at 30 pictures a second of a
	// program that draws 60 the next one is near enough.
	effect, nearest = 100 * time.Millisecond, 3
)

// Picture is why a picture was taken.
type Picture struct {
	// Still tells that nothing had changed since the one before, and nobody asked: it is refinement or keep-alive.
	Still bool
	// ChangedAt is when what it shows began to differ from the one before; zero where nothing did, and for the first.
	ChangedAt time.Time
}

// Cadence is the rhythm of one capture. Its methods are safe for concurrent use.
type Cadence struct {
	mu       sync.Mutex
	interval time.Duration
	last     time.Time // of the last picture; zero before the first
	// due is when the next picture would come at a perfectly even rate. One may come half an interval early, so that a program whose
	// pictures come evenly but for a little jitter gets all of them, each without waiting; the mean rate is kept all the same.
	due     time.Time
	changed time.Time // when something changed that no picture shows yet; zero for nothing
	// latest is when something last changed, gaps the times between the last changes, in turn.
	latest time.Time
	gaps   [steadyGaps]time.Duration
	turn   int
	asked  bool
	acted  time.Time // when the client last did something
	beat   beat      // of the client's display
	told   time.Time // when it last was heard of
	left   int       // pictures of refinement to come
	calm   int       // of them in a row that added nothing
}

// New makes a cadence of at most fps pictures a second of change, which must be positive.
func New(fps int) *Cadence { return &Cadence{interval: time.Second / time.Duration(fps)} }

// SetRate changes the highest rate, from the next picture on. fps must be positive.
func (c *Cadence) SetRate(fps int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	interval := time.Second / time.Duration(fps)
	if interval == c.interval {
		return // what was taken before its turn is still owed
	}
	c.interval, c.beat = interval, beat{}
	if most := c.last.Add(c.interval); c.due.After(most) {
		c.due = most
	}
}

// Change tells that something on the screen has changed.
func (c *Cadence) Change(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed.IsZero() {
		c.changed = now
	}
	c.gaps[c.turn%steadyGaps] = now.Sub(c.latest)
	c.turn++
	c.latest = now
}

// period is the time between two changes where they come evenly, 0 where they do not.
func (c *Cadence) period() (mean time.Duration) {
	for _, gap := range c.gaps {
		mean += gap / steadyGaps
	}
	for _, gap := range c.gaps {
		if (gap - mean).Abs() > mean/steadyShare {
			return 0
		}
	}
	return mean
}

// afresh is when a change is taken that may be at a time, but would be stale by then: with the next one, if that is known to come
// soon enough. A program that draws faster than pictures are taken would be seen half of its period late otherwise.
func (c *Cadence) afresh(at time.Time) time.Time {
	if at.Sub(c.latest) <= stale {
		return at
	}
	next := c.latest.Add(c.period() + settle + late)
	if next.Before(at) || next.After(c.due.Add(c.interval/4)) {
		return at
	}
	return next
}

// Acted tells that the client has just done something. A change that comes soon after it is taken up to a whole turn before its own, since
// somebody waits for it. The turns that follow come later by as much: the mean rate is kept.
func (c *Cadence) Acted(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acted = now
}

// answers tells whether the last change may be the answer to an input.
func (c *Cadence) answers() bool {
	after := c.latest.Sub(c.acted)
	return after >= 0 && after < effect
}

// next is when a change is taken that has settled at a time.
func (c *Cadence) next(settled time.Time) time.Time {
	if at, ok := c.beat.next(c.last, c.changed, c.latest, settled); ok {
		return at
	}
	if c.answers() {
		return later(settled, later(c.due.Add(-c.interval), c.last.Add(c.interval/nearest)))
	}
	return c.afresh(later(settled, c.due.Add(-c.interval/2)))
}

// Ask tells that a key frame is wanted.
func (c *Cadence) Ask() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = true
}

// Next is when the next picture is due, as far as is known now; a time in the past means at once.
func (c *Cadence) Next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.asked, c.last.IsZero():
		return c.last
	case !c.changed.IsZero():
		// A program that draws without a pause is not waited for.
		settled := earlier(c.latest.Add(settle), c.changed.Add(c.interval))
		return earlier(c.next(settled), c.last.Add(KeepAlive))
	case c.left == refineMost:
		return c.last.Add(max(refineAfter, c.interval))
	case c.left > 0:
		return c.last.Add(max(refineEvery, c.interval))
	}
	return c.last.Add(KeepAlive)
}

// Taken tells that a picture is being taken, and returns why. What changes from now on is for the next one.
func (c *Cadence) Taken(now time.Time) Picture {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := Picture{Still: c.changed.IsZero() && !c.asked && !c.last.IsZero(), ChangedAt: c.changed}
	switch {
	case !p.Still:
		c.left, c.calm = refineMost, 0
	case c.left > 0:
		c.left--
	}
	// In step with a display that is a little faster, due runs ahead of the pictures: not further than a turn.
	c.last, c.due, c.changed, c.asked = now, earlier(later(c.due, now), now.Add(c.interval)).Add(c.interval), time.Time{}, false
	return p
}

// Encoded tells how large a still picture has become, and what its share of the bitrate was, both in bytes.
func (c *Cadence) Encoded(size, share int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size*calmShare >= share {
		c.calm = 0
		return
	}
	if c.calm++; c.calm >= calmPictures && c.left < refineMost {
		c.left = 0
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
