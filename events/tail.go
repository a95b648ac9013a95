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
	// the client, which the tail then sees as a gap and fills. Each may hold MaxData.
	tailBuffer = 8 << 10
	// tailCheck is how often an idle tail asks whether it missed the last message, after which no gap would show.
	tailCheck = 2 * time.Second
	// tailFar is how far behind a catch-up reads through an ordered consumer, which takes tens of milliseconds to make and
	// is then three times as fast as batches.
	tailFar = 16 << 10
	// tailReport is how many sequences lie between two calls of a catch-up's progress.
	tailReport = 1024
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
// restarts of the server, and ends with the context's error, or with fn's, or with [ErrUnavailable] when the connection
// is closed for good.
func (l *Log) Tail(ctx context.Context, after Seq, fn func(Event) error, progress func(Progress), caught func()) error {
	t := &tail{log: l, next: after + 1, fn: fn, progress: progress, caught: caught}
	back := l.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer l.nc.RemoveStatusListener(back)
	live := make(chan *nats.Msg, tailBuffer)
	sub, err := l.nc.ChanSubscribe(liveSessions, live)
	if err != nil {
		return readError(SessionsStream, err)
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
	t.current(live)
	check := time.NewTicker(tailCheck)
	defer check.Stop()
	quiet := true
	for {
		var err error
		select {
		case <-ctx.Done():
			return fmt.Errorf("events: tail: %w", ctx.Err())
		case m := <-live:
			quiet = false
			err = t.live(ctx, m)
		case <-back: // what was republished meanwhile is lost
			err = t.catchUp(ctx)
		case <-check.C:
			if quiet {
				err = t.catchUp(ctx)
			}
			quiet = true
		}
		if err != nil {
			return err
		}
		t.current(live)
	}
}

// tail is the state of one [Log.Tail].
type tail struct {
	log      *Log
	next     Seq // the sequence wanted next
	fn       func(Event) error
	progress func(Progress)
	caught   func()
	begun    bool // what was stored at the beginning has been read
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
			return nil
		}
		var stop errStopped
		if errors.As(err, &stop) {
			return stop.error
		}
		if ctx.Err() != nil {
			return fmt.Errorf("events: tail: %w", ctx.Err())
		}
		if t.log.nc.IsClosed() {
			return fmt.Errorf("%w: tail: %w", ErrUnavailable, nats.ErrConnectionClosed)
		}
		t.log.log.Debug("tail: read failed, trying again", "next", t.next, "err", err)
		if err := wait(ctx, readRetry); err != nil {
			return err
		}
	}
}

func (t *tail) read(ctx context.Context) error {
	var target Seq
	if t.progress != nil || !t.begun {
		info, err := t.log.js.Stream(ctx, SessionsStream)
		if err != nil {
			return fmt.Errorf("events: tail: %w", err)
		}
		target = Seq(info.CachedInfo().State.LastSeq)
	}
	reported := t.next - 1
	hand := func(e Event) error {
		if err := t.hand(e); err != nil {
			return err
		}
		if t.progress != nil && e.Sequence >= reported+tailReport {
			reported = e.Sequence
			t.progress(Progress{At: e.Sequence, Target: target})
		}
		return nil
	}
	if target > t.next+tailFar {
		if err := t.log.drain(ctx, SessionsStream, t.next, hand); err != nil {
			return err
		}
	}
	err := t.log.batches(ctx, SessionsStream, "", t.next, hand)
	if err == nil {
		t.begun = true
	}
	if err == nil && t.progress != nil {
		t.progress(Progress{At: t.next - 1, Target: max(target, t.next-1)})
		t.progress = nil // what follows is live
	}
	return err
}

// current tells that all there was has been handed on.
func (t *tail) current(live <-chan *nats.Msg) {
	if t.caught != nil && len(live) == 0 {
		t.caught()
	}
}

// live takes one republished message. Only one that is whole, and the next in sequence, is taken as it is; for all
// others the stream is asked.
func (t *tail) live(ctx context.Context, m *nats.Msg) error {
	// The subject of a live message is where it was published, without the prefix; its header might have been forged.
	e, err := decodeServed(m)
	if err != nil || !intact(m.Header, headerSize(m), servedLive) || e.Subject != m.Subject[len(livePrefix):] {
		return t.catchUp(ctx)
	}
	if e.Sequence > t.next {
		return t.fill(ctx, e.Sequence)
	}
	if err := t.hand(e); err != nil {
		var stop errStopped
		errors.As(err, &stop)
		return stop.error
	}
	return nil
}

// fill reads until it has seen the sequence upTo. A replica may lag behind the live message, so what batches do not
// give is asked of the leader; if that has nothing either, the message has expired, or never was stored.
func (t *tail) fill(ctx context.Context, upTo Seq) error {
	for {
		if err := t.catchUp(ctx); err != nil || t.next > upTo {
			return err
		}
		e, found, err := t.log.stored(ctx, SessionsStream, directRequest{Seq: t.next})
		switch {
		case err != nil:
			t.log.log.Debug("tail: read failed, trying again", "next", t.next, "err", err)
			if err := wait(ctx, readRetry); err != nil {
				return err
			}
		case !found:
			return nil
		default:
			var stop errStopped
			if err := t.hand(e); errors.As(err, &stop) {
				return stop.error
			}
		}
	}
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
