package events

import (
	"context"
	"errors"
	"time"
)

// Appended is what became of one append.
type Appended struct {
	// Name is the event's; empty where the subject is no session's.
	Name Name
	// Took is from the call to the acknowledgement, waiting for NATS included.
	Took time.Duration
	// Err is nil, [ErrConflict], [ErrUnavailable] or another.
	Err error
}

// Conflict tells whether somebody else was first.
func (a Appended) Conflict() bool { return errors.Is(a.Err, ErrConflict) }

// Observed returns a log on the same connection that tells fn of each append, after it; fn must return at once, and is called
// by many goroutines. No log gives no log.
func (l *Log) Observed(fn func(Appended)) *Log {
	if l == nil {
		return nil
	}
	o := *l
	o.observe = fn
	return &o
}

// toldAll tells the observer of an [Log.AppendAll] that stored so many of its drafts: each took as long as all, and the first
// that was not stored has the error.
func (l *Log) toldAll(drafts []Draft, stored int, took time.Duration, err error) {
	if l.observe == nil {
		return
	}
	for i, d := range drafts[:min(len(drafts), stored+1)] {
		a := Appended{Took: took}
		if s, perr := ParseSubject(d.Subject); perr == nil {
			a.Name = s.Name
		}
		if i == stored {
			a.Err = err
		}
		l.observe(a)
	}
}

// told runs an append of a message on a subject, and tells the observer if there is one.
func (l *Log) told(ctx context.Context, subject string, appending func(context.Context) (Seq, error)) (Seq, error) {
	if l.observe == nil {
		return appending(ctx)
	}
	begun := time.Now()
	seq, err := appending(ctx)
	a := Appended{Took: time.Since(begun), Err: err}
	if s, perr := ParseSubject(subject); perr == nil {
		a.Name = s.Name
	}
	l.observe(a)
	return seq, err
}

// Unavailable tells whether NATS did not answer.
func (a Appended) Unavailable() bool { return errors.Is(a.Err, ErrUnavailable) }
