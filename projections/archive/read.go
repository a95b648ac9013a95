package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"streamstack/events"
	"streamstack/projections/columns"
)

// Figures of reading.
const (
	// heldEvents and heldBytes bound what is read from the stream before it is asked what has expired meanwhile.
	heldEvents = 512
	heldBytes  = 4 << 20
	// skew is how far the clocks of the stream's replicas may be apart: each lets events expire by its own.
	skew = 5 * time.Second
)

// Read hands on what a filter holds from the sequence from on (0: all), up to now, in order, each event once: from the
// archive what has expired in the stream, from the stream what it still has, short-lived events included. fn runs on the
// caller's goroutine; its error ends Read and is returned. Memory does not grow with what is read.
func (a *Archive) Read(ctx context.Context, filter string, from events.Seq, fn func(events.Event) error) error {
	r := &reader{archive: a, filter: strings.Split(filter, "."), next: max(from, 1), fn: fn}
	if len(r.filter) > 2 && events.ValidToken(r.filter[2]) {
		r.session = events.SessionID(r.filter[2])
	}
	if r.session == "" {
		// For each batch the server counts what the filter holds beyond it, subject by subject: reading a long log so takes
		// quadratic time. A filter that is not of one session is applied here.
		filter = ""
	}
	err := r.read(ctx, filter)
	if r.failed != nil {
		return r.failed
	}
	return err
}

// reader is the state of one [Archive.Read].
type reader struct {
	archive *Archive
	filter  []string
	session events.SessionID // if the filter names one
	fn      func(events.Event) error
	failed  error // of fn

	next  events.Seq     // all before have been handed on
	held  []events.Event // read from the stream
	given int            // how many of them have been handed on
	bytes int
}

func (r *reader) read(ctx context.Context, filter string) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	err := r.archive.log.Read(ctx, events.SessionsStream, filter, r.next, func(e events.Event) error {
		if filter == "" && !matches(r.filter, e.Subject) {
			return nil
		}
		r.held = append(r.held, e)
		r.bytes += len(e.Data)
		if len(r.held) < heldEvents && r.bytes < heldBytes {
			return nil
		}
		return r.settle(ctx)
	})
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

// errPast ends the reading of a segment beyond which the stream has everything.
var errPast = errors.New("archive: past what has expired")

// settle hands on what is held, and from the archive what expired in the stream before it could be read there. Asking
// afterwards is what makes it complete: whatever the stream's first event is now, all from there on was there when the
// held events were read.
func (r *reader) settle(ctx context.Context) error {
	l, err := r.archive.limits(ctx)
	if err != nil {
		return err
	}
	var expired time.Time // on some replica; none has been asked before the first event is held
	if l.age > 0 && len(r.held) > 0 {
		expired = time.Now().Add(min(skew, l.age/10) - l.age)
	}
	if err := r.fill(ctx, l.first, expired); err != nil {
		return err
	}
	if err := r.hand(^events.Seq(0)); err != nil {
		return err
	}
	clear(r.held) // lets go of the payloads
	r.held, r.given, r.bytes = r.held[:0], 0, 0
	r.next = max(r.next, l.first)
	return nil
}

// fill hands on the archive's events before the sequence first, and those stored before the time expired, with the held
// ones in their places.
func (r *reader) fill(ctx context.Context, first events.Seq, expired time.Time) error {
	if r.next >= first && expired.IsZero() {
		return nil
	}
	segments, err := r.archive.Segments(ctx)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if s.From >= first && !s.First.Before(expired) {
			return nil
		}
		if s.To < r.next || (r.session != "" && !s.MayHold(r.session)) {
			continue
		}
		err := r.archive.read(ctx, s, columns.Query{From: r.next, Session: r.session}, func(e events.Event) error {
			if e.Sequence >= first && !e.Stored.Before(expired) {
				return errPast
			}
			if !matches(r.filter, e.Subject) {
				return nil
			}
			return r.take(e)
		})
		if errors.Is(err, errPast) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take hands on an event of the archive, after the held ones that come before it.
func (r *reader) take(e events.Event) error {
	if err := r.hand(e.Sequence); err != nil {
		return err
	}
	return r.one(e)
}

// hand hands on the held events before a sequence.
func (r *reader) hand(before events.Seq) error {
	for r.given < len(r.held) && r.held[r.given].Sequence < before {
		if err := r.one(r.held[r.given]); err != nil {
			return err
		}
		r.given++
	}
	return nil
}

// one hands on an event unless that was done.
func (r *reader) one(e events.Event) error {
	if e.Sequence < r.next {
		return nil
	}
	if err := r.fn(e); err != nil {
		r.failed = err
		return err
	}
	r.next = e.Sequence + 1
	return nil
}

// read hands on events of one segment.
func (a *Archive) read(ctx context.Context, s Segment, q columns.Query, fn func(events.Event) error) error {
	f, err := a.files.open(ctx, a.log.JetStream(), s)
	if err != nil {
		return err
	}
	defer a.files.release(f)
	err = columns.ReadParquet(ctx, f, f.size, q, fn)
	if err != nil && !errors.Is(err, errPast) {
		return fmt.Errorf("archive: segment %s: %w", s.Object, err)
	}
	return err
}

// matches tells whether a subject is one that a NATS filter takes in.
func matches(filter []string, subject string) bool {
	rest, more := subject, true
	for _, f := range filter {
		if !more {
			return false
		}
		if f == ">" {
			return true
		}
		var token string
		if token, rest, more = strings.Cut(rest, "."); f != "*" && f != token {
			return false
		}
	}
	return !more
}
