package webhook

import (
	"math/rand/v2"
	"slices"
	"time"

	"streamstack/events"
)

// item is an event that waits. ack is where its acknowledgement goes; empty for one that was read from the log.
type item struct {
	event events.Event
	ack   string
}

// lane is what waits of one session, in order.
type lane struct {
	region  events.Region
	session events.SessionID
	items   []item
	// busy tells that a job works on the lane.
	busy bool
	// attempts counts its own failures in a row, since successes stood at begun; late tells that the last one was the
	// endpoint's, not its own.
	attempts, begun int
	late            bool
	due             time.Time
	// parked: the lane's events are read from the log from the sequence from on, and what the consumer brings is
	// acknowledged; seen is up to where it has. leaving: a job ends that, and what the consumer brings is kept.
	parked, leaving bool
	from, seen      events.Seq
}

// lanes decides what is tried next. It is pure: no I/O, no clock, one goroutine.
type lanes struct {
	times timing
	by    map[events.SessionID]*lane
	// held counts the items that the consumer waits for; parked the lanes that are parked; busy those with a job.
	held, parked, busy int
	// failures in a row and successes in all, whatever the lane.
	failures, successes int
	// probe is when an endpoint that is down is tried again.
	probe  time.Time
	jitter func(time.Duration) time.Duration
}

func newLanes(t timing) *lanes {
	return &lanes{times: t, by: map[events.SessionID]*lane{}, jitter: func(d time.Duration) time.Duration {
		return d/2 + rand.N(d/2+1) //nolint:gosec // this spreads load and guards nothing
	}}
}

// down tells whether the endpoint is taken to be down.
func (s *lanes) down() bool { return s.failures >= downAfter }

// add takes in an event of the consumer. It returns false for one that need not wait, for its parked session's cursor
// stands for it: that is to be acknowledged.
func (s *lanes) add(it item) bool {
	e := it.event
	l := s.by[e.Session]
	if l == nil {
		l = &lane{region: e.Region, session: e.Session}
		s.by[e.Session] = l
	}
	if l.parked && !l.leaving {
		l.seen = max(l.seen, e.Sequence)
		return false
	}
	i, found := slices.BinarySearchFunc(l.items, e.Sequence, func(x item, seq events.Seq) int { return int(x.event.Sequence) - int(seq) })
	if found { // again: only its newest delivery can be acknowledged
		l.items[i].ack = it.ack
		return true
	}
	l.items = slices.Insert(l.items, i, it)
	s.held++
	return true
}

// restore takes over a parked session of an earlier gateway; seen is up to where the consumer has delivered.
func (s *lanes) restore(r events.Region, id events.SessionID, from, seen events.Seq, attempts int) {
	l := s.by[id]
	if l == nil {
		l = &lane{region: r, session: id}
		s.by[id] = l
	}
	l.parked, l.from, l.seen, l.attempts = true, from, seen, attempts
	s.parked++
}

// next is the lane to work on now, or nil and when to ask again; zero: when something has happened.
func (s *lanes) next(now time.Time) (best *lane, again time.Time) {
	limit := maxJobs
	if s.down() {
		limit = 1
	}
	if s.busy >= limit {
		return nil, time.Time{}
	}
	for _, l := range s.by {
		if l.busy || (len(l.items) == 0 && !l.parked) {
			continue
		}
		due := l.due
		if l.late && s.down() && due.Before(s.probe) {
			due = s.probe
		}
		switch {
		case due.After(now):
			if again.IsZero() || due.Before(again) {
				again = due
			}
		case best == nil || l.head() < best.head():
			best = l
		}
	}
	return best, again
}

// head is the sequence that the lane is at.
func (l *lane) head() events.Seq {
	if len(l.items) > 0 {
		return l.items[0].event.Sequence
	}
	return l.from
}

// shallPark tells whether a lane fails by itself, or takes up too much room while it fails.
func (s *lanes) shallPark(l *lane) bool {
	if l.parked || s.parked >= maxParked || l.session == "" { // "": of a subject that is none, which no history has
		return false
	}
	return (l.attempts >= parkAfter && s.successes > l.begun) || ((l.attempts > 0 || l.late) && len(l.items) >= maxLane)
}

// park empties a lane whose cursor has been kept, and returns what is to be acknowledged.
func (s *lanes) park(l *lane) (acks []string) {
	l.parked, l.from = true, l.head()
	for _, it := range l.items {
		l.seen = max(l.seen, it.event.Sequence)
		acks = append(acks, it.ack)
	}
	s.held -= len(l.items)
	s.parked++
	l.items = nil
	return acks
}

// filled gives a parked lane what was read from the log.
func (l *lane) filled(list []events.Event) {
	for _, e := range list {
		l.items = append(l.items, item{event: e})
	}
}

// unpark ends a parking that has caught up; what came meanwhile waits in the lane.
func (s *lanes) unpark(l *lane) {
	l.parked, l.leaving = false, false
	s.parked--
	s.settle(l)
}

// settle forgets a lane in which nothing waits.
func (s *lanes) settle(l *lane) {
	if len(l.items) == 0 && !l.parked && !l.busy {
		delete(s.by, l.session)
	}
}

// succeeded takes the first event out of a lane and returns what is to be acknowledged, if anything.
func (s *lanes) succeeded(l *lane) (ack string) {
	first := l.items[0]
	l.items = l.items[1:]
	if first.ack != "" {
		s.held--
	}
	if l.parked {
		l.from = first.event.Sequence + 1
	}
	if s.down() { // it is up again: who failed only for that is tried now
		for _, o := range s.by {
			if o.late {
				o.late, o.due = false, time.Time{}
			}
		}
	}
	s.failures = 0
	s.successes++
	l.attempts, l.late, l.due = 0, false, time.Time{}
	return first.ack
}

// failed puts a lane off. after is how long the endpoint asks to be left alone.
func (s *lanes) failed(l *lane, now time.Time, after time.Duration) {
	s.failures++
	if s.down() {
		l.late = true
		s.probe = now.Add(max(s.jitter(s.times.backoff(s.failures-downAfter+1, s.times.lastRetry)), after))
		l.due = s.probe
		return
	}
	if l.attempts == 0 {
		l.begun = s.successes
	}
	l.attempts++
	longest := s.times.lastRetry
	if l.parked {
		longest = s.times.lastParked
	}
	l.due = now.Add(max(s.jitter(s.times.backoff(l.attempts, longest)), after))
}

// acks are where the acknowledgements of all that is held go.
func (s *lanes) acks() (out []string) {
	for _, l := range s.by {
		for _, it := range l.items {
			if it.ack != "" {
				out = append(out, it.ack)
			}
		}
	}
	return out
}
