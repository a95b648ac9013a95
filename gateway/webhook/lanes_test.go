package webhook

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"streamstack/events"
)

// world plays consumer, log and endpoint for lanes, with a clock of its own.
type world struct {
	*lanes
	now time.Time
	// brought are the events that the consumer has brought, by session; taken those that the endpoint took.
	brought, taken map[events.SessionID][]events.Seq
	seq            events.Seq
	acked          map[string]bool
	running        []*lane
}

func newWorld() *world {
	w := &world{lanes: newLanes(usualTiming), now: time.Unix(0, 0), brought: map[events.SessionID][]events.Seq{},
		taken: map[events.SessionID][]events.Seq{}, acked: map[string]bool{}}
	w.jitter = func(d time.Duration) time.Duration { return d }
	return w
}

func (w *world) bring(id events.SessionID) {
	w.seq++
	w.brought[id] = append(w.brought[id], w.seq)
	ack := fmt.Sprint(w.seq)
	if !w.add(item{events.Event{Session: id, Sequence: w.seq}, ack}) {
		w.acked[ack] = true
	}
}

// begin takes what is due, as tenure does.
func (w *world) begin() bool {
	l, _ := w.next(w.now)
	if l == nil {
		return false
	}
	l.busy = true
	w.busy++
	w.running = append(w.running, l)
	return true
}

// finish ends the i-th job; ok says what the endpoint answers.
func (w *world) finish(i int, ok bool) {
	l := w.running[i]
	w.running = append(w.running[:i], w.running[i+1:]...)
	l.busy = false
	w.busy--
	switch {
	case w.shallPark(l):
		for _, ack := range w.park(l) {
			w.acked[ack] = true
		}
	case len(l.items) == 0: // of a parked lane
		var list []events.Event
		for _, seq := range w.brought[l.session] {
			if seq >= l.from && seq <= l.seen && len(list) < refill {
				list = append(list, events.Event{Session: l.session, Sequence: seq})
			}
		}
		if l.filled(list); len(list) == 0 {
			w.unpark(l)
		}
	case ok:
		w.taken[l.session] = append(w.taken[l.session], l.items[0].event.Sequence)
		w.acked[w.succeeded(l)] = true
	default:
		w.failed(l, w.now, 0)
	}
	w.settle(l)
}

// The property: whatever fails, a session's events are taken in order, none is acknowledged before it was taken or its
// session parked, and once nothing fails any more all are taken and the lanes are empty.
func TestLanes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		sessions := []events.SessionID{"a", "b", "c", "d"}
		poison := rapid.SampledFrom([]events.SessionID{"", "a"}).Draw(t, "poison")
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"bring", "begin", "finish", "wait"}).Draw(t, "step") {
			case "bring":
				w.bring(rapid.SampledFrom(sessions).Draw(t, "session"))
			case "begin":
				w.begin()
			case "finish":
				if len(w.running) > 0 {
					i := rapid.IntRange(0, len(w.running)-1).Draw(t, "job")
					w.finish(i, w.running[i].session != poison && rapid.Bool().Draw(t, "ok"))
				}
			case "wait":
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(t, "seconds")) * time.Second)
			}
			limit := maxJobs
			if len(w.running) > limit {
				t.Fatalf("%d jobs", len(w.running))
			}
			held := 0
			for _, l := range w.by {
				for i, it := range l.items {
					if i > 0 && it.event.Sequence <= l.items[i-1].event.Sequence {
						t.Fatalf("%s: out of order", l.session)
					}
					if it.ack != "" {
						held++
						if w.acked[it.ack] {
							t.Fatalf("%d is acknowledged and waits", it.event.Sequence)
						}
					}
				}
			}
			if held != w.held {
				t.Fatalf("%d are held, not %d", held, w.held)
			}
		}
		for range 100000 {
			for w.begin() {
			}
			if len(w.running) > 0 {
				w.finish(0, true)
			} else if len(w.by) == 0 {
				break
			} else {
				w.now = w.now.Add(time.Second)
			}
		}
		for id, want := range w.brought {
			if fmt.Sprint(w.taken[id]) != fmt.Sprint(want) {
				t.Fatalf("%s: took %v of %v", id, w.taken[id], want)
			}
		}
		if len(w.by) != 0 || w.held != 0 || w.parked != 0 || w.busy != 0 {
			t.Fatalf("something is left: %+v", w.lanes)
		}
	})
}

// An endpoint that is down gets one attempt at a time, with a pause that grows, however many sessions wait.
func TestAnEndpointThatIsDownIsNotStormed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 200 {
		w.bring(events.SessionID(fmt.Sprint(i)))
	}
	attempts := 0
	for end := w.now.Add(time.Hour); w.now.Before(end); w.now = w.now.Add(time.Second) {
		for w.begin() {
			if w.down() && len(w.running) > 1 {
				t.Fatal("two attempts at once")
			}
			for len(w.running) > 0 && (w.down() || len(w.running) == maxJobs) {
				attempts++
				w.finish(0, false)
			}
		}
	}
	// Each session is tried once, and then there is one probe in two minutes.
	if attempts > 200+60 {
		t.Fatalf("%d attempts in an hour", attempts)
	}
}

// A session that the endpoint has not heard of is tried although another one's failures make it look down.
func TestANewSessionIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.bring("bad")
	for range 20 {
		for w.begin() {
			w.finish(0, false)
		}
		w.now = w.now.Add(time.Second)
	}
	if !w.down() {
		t.Fatal("it does not look down")
	}
	w.bring("good")
	if !w.begin() || w.running[0].session != "good" {
		t.Fatal("the new session waits")
	}
	w.finish(0, true)
	if w.down() {
		t.Fatal("it still looks down")
	}
}

// While one session fails and others get through, it is parked, and only it.
func TestOnlyTheFailingSessionIsParked(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for range 200 {
		w.bring("bad")
		w.bring("good")
		for w.begin() {
			w.finish(0, w.running[0].session == "good")
		}
		w.now = w.now.Add(time.Minute)
	}
	if w.parked != 1 || !w.by["bad"].parked || len(w.taken["good"]) != 200 || w.held != 0 {
		t.Fatalf("parked %d, held %d, good %d", w.parked, w.held, len(w.taken["good"]))
	}
}

// An event that the server gives again is held once, and its newest delivery is acknowledged.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	l := newLanes(usualTiming)
	for _, ack := range []string{"old", "new"} {
		l.add(item{events.Event{Session: "a", Sequence: 5}, ack})
	}
	l.add(item{events.Event{Session: "a", Sequence: 3}, "first"})
	if l.held != 2 || l.by["a"].items[0].ack != "first" || l.by["a"].items[1].ack != "new" {
		t.Fatalf("%+v", l.by["a"])
	}
}
