package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
	_, err := a.ReadThrough(ctx, filter, from, 0, fn)
	return err
}

// ReadThrough is [Archive.Read] that leaves nothing out up to the sequence upTo, which the caller knows to be stored: see
// [events.Log.ReadThrough]. It returns the sequence to go on from: all before it has been looked at.
func (a *Archive) ReadThrough(ctx context.Context, filter string, from, upTo events.Seq, fn func(events.Event) error) (next events.Seq, err error) {
	r := a.reader(filter, from, fn)
	if r.session == "" {
		// For each batch the server counts what the filter holds beyond it, subject by subject: reading a long log so takes
		// quadratic time. A filter that is not of one session is applied here.
		filter = ""
	}
	err = r.read(ctx, filter, upTo)
	if r.failed != nil {
		err = r.failed
	}
	if err != nil {
		return r.next, err
	}
	return max(r.next, r.seen+1), nil
}

// Expired hands on only what a filter holds that has expired in the stream, and returns the sequence from which on to
// read the stream: for readers that have a way of their own to follow it.
func (a *Archive) Expired(ctx context.Context, filter string, from events.Seq, fn func(events.Event) error) (next events.Seq, err error) {
	r := a.reader(filter, from, fn)
	err = r.settle(ctx)
	if r.failed != nil {
		err = r.failed
	}
	return r.next, err
}

// reader begins a reading.
func (a *Archive) reader(filter string, from events.Seq, fn func(events.Event) error) *reader {
	r := &reader{archive: a, filter: strings.Split(filter, "."), next: max(from, 1), fn: fn}
	if len(r.filter) > 2 && events.ValidToken(r.filter[2]) {
		r.session = events.SessionID(r.filter[2])
	}
	return r
}

// reader is the state of one reading.
type reader struct {
	archive *Archive
	filter  []string
	session events.SessionID // if the filter names one
	fn      func(events.Event) error
	failed  error // of fn

	next  events.Seq     // all before have been handed on
	since time.Time      // when the last of them was stored
	seen  events.Seq     // the last that the stream gave, whether the filter holds it or not
	age   time.Duration  // after which the stream lets events expire, 0 for never; as settle found it last
	held  []events.Event // read from the stream
	given int            // how many of them have been handed on
	bytes int
}

func (r *reader) read(ctx context.Context, filter string, upTo events.Seq) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	err := r.archive.log.ReadThrough(ctx, events.SessionsStream, filter, r.next, upTo, func(e events.Event) error {
		r.seen = e.Sequence
		if filter == "" && !matches(r.filter, e.Subject) {
			return nil
		}
		return r.hold(ctx, e)
	})
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

// hold takes an event of the stream. It is handed on when it is known what came before.
func (r *reader) hold(ctx context.Context, e events.Event) error {
	r.held = append(r.held, e)
	r.bytes += len(e.Data)
	if len(r.held) < heldEvents && r.bytes < heldBytes {
		return nil
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
	r.age = l.age
	var expired time.Time // on some replica; none has been asked before the first event is held
	if d := min(skew, l.age/10); l.age > 0 && len(r.held) > 0 {
		expired = time.Now().Add(d - l.age)
		if !r.since.Before(expired.Add(d)) {
			expired = time.Time{} // what comes now is younger
		}
	}
	if err := r.fill(ctx, l.first, expired); err != nil {
		return err
	}
	if err := r.release(); err != nil {
		return err
	}
	r.next = max(r.next, l.first)
	return nil
}

// release hands on all that is held.
func (r *reader) release() error {
	if err := r.hand(^events.Seq(0)); err != nil {
		return err
	}
	clear(r.held) // lets go of the payloads
	r.held, r.given, r.bytes = r.held[:0], 0, 0
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
		switch {
		case errors.Is(err, errPast):
			return nil
		case errors.Is(err, jetstream.ErrObjectNotFound):
			if pruned, lerr := r.archive.isPruned(ctx, s); lerr != nil {
				return lerr
			} else if !pruned {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// isPruned tells whether a segment that was listed is not part of the archive any more.
func (a *Archive) isPruned(ctx context.Context, s Segment) (bool, error) {
	segments, err := a.Segments(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(segments, func(x Segment) bool { return x.Object == s.Object }), nil
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
	r.next, r.since = e.Sequence+1, e.Stored
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
	if err != nil && !errors.Is(err, errPast) && !errors.Is(err, errLater) {
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
