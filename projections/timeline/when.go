package timeline

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"streamstack/events"
)

// errWhen is returned for a text that names no place in the log.
var errWhen = errors.New("neither a sequence number (17) nor a time (2026-11-22T06:27:09Z, 2026-11-22 06:27, 06:27)")

// when is a place in the log: a sequence, or a time where Seq is 0 and Time is not zero.
type when struct {
	seq  events.Seq
	time time.Time
}

// layouts are the forms of a time; those without a zone are in the user's.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// parseWhen reads SEQ or TIME. A time of day is of now's day, in now's zone.
func parseWhen(text string, now time.Time) (when, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return when{seq: events.Seq(n)}, nil
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, text, now.Location()); err == nil {
			return when{time: t}, nil
		}
	}
	for _, l := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(l, text); err == nil {
			y, m, d := now.Date()
			return when{time: time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())}, nil
		}
	}
	return when{}, fmt.Errorf("%q is %w", text, errWhen)
}

// parseSince reads SEQ, TIME or DURATION, the last being that long before now.
func parseSince(text string, now time.Time) (events.Start, error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		if d < 0 {
			d = -d
		}
		return events.Start{Time: now.Add(-d)}, nil
	}
	w, err := parseWhen(text, now)
	if err != nil {
		return events.Start{}, fmt.Errorf("%w nor a duration (10m)", err)
	}
	if w.time.IsZero() {
		return events.Start{Seq: max(1, w.seq)}, nil
	}
	return events.Start{Time: w.time}, nil
}

// holds tells whether an event had been stored by then. An event that was not read from the log has only its own time.
func (w when) holds(e events.Event) bool {
	if w.time.IsZero() {
		return e.Sequence <= w.seq
	}
	if e.Stored.IsZero() {
		return !e.Time.After(w.time)
	}
	return !e.Stored.After(w.time)
}

// cut tells how many events of a history had been stored by then, and which of another stream's events belong to them. The
// streams have sequences of their own, so where w is one the others go by the server's time of the first event after it.
func (w when) cut(history []events.Event) (n int, keep func(events.Event) bool) {
	for n < len(history) && w.holds(history[n]) {
		n++
	}
	switch {
	case !w.time.IsZero():
		return n, w.holds
	case n == len(history):
		return n, func(events.Event) bool { return true }
	default:
		after := history[n].Stored
		return n, func(e events.Event) bool { return e.Stored.Before(after) }
	}
}
