package events_test

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// schedules is how many random schedules of restarts are played; each takes about a second.
const schedules = 6

// insist appends until NATS takes it. What was appended although the answer was lost is appended twice; readers must
// then see both.
func insist(t testing.TB, l *events.Log, d events.Draft) events.Seq {
	for end := time.Now().Add(within); ; {
		seq, err := l.Append(t.Context(), d)
		if err == nil {
			return seq
		}
		if !errors.Is(err, events.ErrUnavailable) || time.Now().After(end) {
			t.Fatalf("append: %v", err)
		}
	}
}

// agrees checks that a reader has seen what the stream holds: after a sequence, and what a filter lets through.
func agrees(t testing.TB, what string, c *collector, all []events.Event, after events.Seq, keep func(events.Event) bool) {
	var want []events.Seq
	for _, e := range all {
		if e.Sequence > after && keep(e) {
			want = append(want, e.Sequence)
		}
	}
	eventstest.Wait(t, within, func() string {
		if got := c.seqs(); len(got) < len(want) {
			return fmt.Sprintf("%s: %d of %d events, the last %d", what, len(got), len(want), c.last())
		}
		return ""
	})
	if got := c.seqs(); !slices.Equal(got, want) {
		t.Fatalf("%s: %v, not %v", what, got, want)
	}
}

func anything(events.Event) bool      { return true }
func onlyCreated(e events.Event) bool { return e.Name == events.Created }
func quickly(t testing.TB, n int) func() { // sets how many cases rapid plays
	f := flag.Lookup("rapid.checks")
	old := f.Value.String()
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Value.Set(old) } // it was accepted before
}

// A server that stops and comes back at random points, while events are appended and readers begin: neither Tail nor
// Follow loses or repeats one. Not parallel: it changes rapid's flag.
func TestReadersSurviveRestarts(t *testing.T) {
	defer quickly(t, schedules)()
	rapid.Check(t, func(r *rapid.T) {
		s := eventstest.Start(t)
		defer s.Stop()
		l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
		writer := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
		type reader struct {
			tail, follow *collector
			after        events.Seq
		}
		var readers []reader
		var stops []func()
		for _, step := range rapid.SliceOfN(rapid.SampledFrom([]string{"append", "append", "restart", "read"}), 4, 9).Draw(r, "steps") {
			switch step {
			case "append":
				for range rapid.IntRange(1, 60).Draw(r, "events") {
					insist(t, writer, created(session))
					insist(t, writer, candidate(session))
				}
			case "restart":
				s.Restart()
			case "read":
				after := events.Seq(rapid.IntRange(0, 100).Draw(r, "after"))
				c, _, stop := tailing(t, l, after)
				f := newCollector()
				filter := []string{events.EventFilter(region, events.Gateway, events.Created)}
				stops = append(stops, stop, spawn(t, follow(l, filter, events.Start{Seq: after + 1}, f)))
				readers = append(readers, reader{c, f, after})
			}
		}
		// The last event's sequence is above any that a reader begins after.
		for insist(t, writer, created(session)) <= 100 {
		}
		all := stored(t, writer)
		for i, c := range readers {
			agrees(t, fmt.Sprintf("tail %d", i), c.tail, all, c.after, anything)
			agrees(t, fmt.Sprintf("follow %d", i), c.follow, all, c.after, onlyCreated)
		}
		for _, stop := range stops {
			stop()
		}
	})
}
