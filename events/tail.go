package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Figures of the tail.
const (
	// tailBuffer is how many live messages may wait while the tail catches up or its reader folds; more are dropped by
	// the client, which the tail then sees as a gap and fills.
	tailBuffer = 64 << 10
	// tailCheck is how often an idle tail asks whether it missed the last message, after which no gap would show.
	tailCheck = 2 * time.Second
	// fillRetry and fillWait bound how a gap is filled from a replica that lags behind.
	fillRetry = 20 * time.Millisecond
	fillWait  = 10 * time.Second
	// readRetry is the pause after a failed read of the log.
	readRetry = 250 * time.Millisecond
)

// Progress tells how far a catch-up is.
type Progress struct {
	At, Target Seq
}

// Tail hands on every event of SESSIONS after the sequence after, in order, each once, without end: first what is
// stored, then what comes, as soon as the stream has it. Sequences that fn never sees are events that expired or whose
// append failed. caught, if not nil, is called whenever the tail has handed on all there was, first when it goes live.
//
// fn runs on the caller's goroutine; while it runs, live messages wait in a bounded buffer. Tail survives reconnects and
// restarts of the server, and ends with the context's error, or with fn's.
func (l *Log) Tail(ctx context.Context, after Seq, fn func(Event) error, progress func(Progress), caught func()) error {
	t := &tail{log: l, next: after + 1, fn: fn, progress: progress, caught: caught}
	live := make(chan *nats.Msg, tailBuffer)
	sub, err := l.nc.ChanSubscribe(liveSessions, live)
	if err != nil {
		return fmt.Errorf("events: tail: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	// The subscription must be known to the server before the catch-up reads, or an event between the two is missed
	// until the next check.
	if err := l.flush(ctx); err != nil {
		l.log.Warn("tail: the log is not reachable, trying on", "err", err)
	}
	if err := t.catchUp(ctx); err != nil {
		return err
	}
	check := time.NewTicker(tailCheck)
	defer check.Stop()
	quiet := true
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("events: tail: %w", ctx.Err())
		case m := <-live:
			quiet = false
			if err := t.live(ctx, m); err != nil {
				return err
			}
		case <-check.C:
			if quiet {
				if err := t.catchUp(ctx); err != nil {
					return err
				}
			}
			quiet = true
		}
	}
}

// tail is the state of one [Log.Tail].
type tail struct {
	log      *Log
	next     Seq // the sequence wanted next
	fn       func(Event) error
	progress func(Progress)
	caught   func()
}

// errStopped marks an error of fn, which ends the tail; all others are tried again.
type errStopped struct{ error }

func (e errStopped) Unwrap() error { return e.error }

func (t *tail) hand(e Event) error {
	if e.Sequence < t.next {
		return nil
	}
	if err := t.fn(e); err != nil {
		return errStopped{err}
	}
	t.next = e.Sequence + 1
	return nil
}

// catchUp reads what is stored from next on. It tries again until the log answers or the context ends.
func (t *tail) catchUp(ctx context.Context) error {
	for {
		err := t.read(ctx)
		if err == nil {
			if t.caught != nil {
				t.caught()
			}
			return nil
		}
		var stop errStopped
		if errors.As(err, &stop) {
			return stop.error
		}
		if ctx.Err() != nil {
			return fmt.Errorf("events: tail: %w", ctx.Err())
		}
		t.log.log.Debug("tail: read failed, trying again", "next", t.next, "err", err)
		if err := wait(ctx, readRetry); err != nil {
			return err
		}
	}
}

func (t *tail) read(ctx context.Context) error {
	var target Seq
	if t.progress != nil {
		info, err := t.log.js.Stream(ctx, SessionsStream)
		if err != nil {
			return fmt.Errorf("events: tail: %w", err)
		}
		target = Seq(info.CachedInfo().State.LastSeq)
	}
	_, err := t.log.batches(ctx, SessionsStream, "", t.next, func(e Event) error {
		if err := t.hand(e); err != nil {
			return err
		}
		if t.progress != nil && e.Sequence%1024 == 0 {
			t.progress(Progress{At: e.Sequence, Target: target})
		}
		return nil
	})
	if err == nil && t.progress != nil {
		t.progress(Progress{At: t.next - 1, Target: max(target, t.next-1)})
		t.progress = nil // what follows is live
	}
	return err
}

// live takes one republished message. What lies between it and the one before is filled from the stream first: the
// stored message itself proves that a replica has come far enough.
func (t *tail) live(ctx context.Context, m *nats.Msg) error {
	e, err := decodeServed(m)
	if err != nil {
		t.log.log.Warn("tail: a live message without the server's headers", "subject", m.Subject, "err", err)
		return nil
	}
	// The subject of a live message is where it was published, without the prefix; its header might have been forged.
	if e.Subject != m.Subject[len(livePrefix):] {
		t.log.log.Warn("tail: a live message that was not republished", "subject", m.Subject)
		return nil
	}
	if e.Sequence > t.next {
		if err := t.fill(ctx, e.Sequence); err != nil {
			return err
		}
	}
	if err := t.hand(e); err != nil {
		var stop errStopped
		errors.As(err, &stop)
		return stop.error
	}
	if t.caught != nil {
		t.caught()
	}
	return nil
}

// fill reads until it has seen the sequence upTo, or the time for that is over.
func (t *tail) fill(ctx context.Context, upTo Seq) error {
	for end := time.Now().Add(fillWait); t.next <= upTo && time.Now().Before(end); {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
		if t.next > upTo {
			return nil
		}
		if err := wait(ctx, fillRetry); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := l.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("events: flush: %w", err)
	}
	return nil
}

// wait pauses, or returns the context's error.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("events: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
