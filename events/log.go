package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// appendTimeout bounds one append, retries included: callers answer within 2 s when NATS is away.
const appendTimeout = 1800 * time.Millisecond

// A server that has just started, or a stream that elects a leader, has nobody who listens for a moment.
const (
	appendRetryWait = 100 * time.Millisecond
	appendRetries   = int(appendTimeout / appendRetryWait)
)

// Log appends and reads. It is safe for concurrent use and holds no state but the connection.
type Log struct {
	nc           *nats.Conn
	js           jetstream.JetStream
	sdpRetention time.Duration
	now          func() time.Time
	log          *slog.Logger
	// prefix of JetStream's API, empty for the usual one, and what the names of this log's consumers begin with.
	prefix, consumers string
	// observe, if not nil, is told of each append.
	observe func(Appended)
}

// Option changes a [Log].
type Option func(*Log)

// WithSDPRetention sets the lifetime of bulky and personal events; at least 1 s.
func WithSDPRetention(d time.Duration) Option {
	return func(l *Log) {
		if d > 0 {
			l.sdpRetention = d
		}
	}
}

// WithClock sets where the time of events comes from.
func WithClock(now func() time.Time) Option { return func(l *Log) { l.now = now } }

// WithAPI has JetStream called on another prefix than $JS.API, without the last dot: where somebody looks at the calls
// who hands on what is allowed. Consumers of this log's own get names that begin with consumers.
func WithAPI(prefix, consumers string) Option {
	return func(l *Log) { l.prefix, l.consumers = prefix, consumers }
}

// checkSession refuses what would not be the address of one session: a wildcard among it would take in others.
func checkSession(r Region, id SessionID) error {
	if !ValidToken(string(r)) || !ValidToken(string(id)) {
		return fmt.Errorf("%w: region %q, session %q", ErrSubject, r, id)
	}
	return nil
}

// New makes a log on a connection, which stays the caller's to close.
func New(nc *nats.Conn, log *slog.Logger, opts ...Option) (*Log, error) {
	l := &Log{nc: nc, sdpRetention: DefaultSDPRetention, now: time.Now, log: log}
	for _, o := range opts {
		o(l)
	}
	var err error
	timeout := jetstream.WithPublishAsyncTimeout(appendTimeout)
	if l.prefix == "" {
		l.js, err = jetstream.New(nc, timeout)
	} else {
		l.js, err = jetstream.NewWithAPIPrefix(nc, l.prefix, timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return l, nil
}

// JetStream is the API that the log uses.
func (l *Log) JetStream() jetstream.JetStream { return l.js }

// Conn is the connection that the log uses.
func (l *Log) Conn() *nats.Conn { return l.nc }

// Append appends without condition and returns the event's sequence.
func (l *Log) Append(ctx context.Context, d Draft) (Seq, error) {
	m, _, err := l.message(d)
	if err != nil {
		return 0, err
	}
	return l.append(ctx, m)
}

// AppendExpecting appends if last is still the session's last sequence (0: it has no event), and fails with
// [ErrConflict] otherwise. The caller has last from the events that it decided on (the last that [Log.History] handed on,
// expired ones not counted, for these count on neither side), never from a read model.
func (l *Log) AppendExpecting(ctx context.Context, d Draft, last Seq) (Seq, error) {
	m, s, err := l.message(d)
	if err != nil {
		return 0, err
	}
	if s.Session == "" {
		return 0, fmt.Errorf("%w: %q", ErrSubject, d.Subject)
	}
	return l.append(ctx, m, jetstream.WithExpectLastSequenceForSubject(uint64(last), SessionFilter(s.Region, s.Session)))
}

func (l *Log) append(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (Seq, error) {
	return l.told(ctx, m.Subject, func(ctx context.Context) (Seq, error) { return l.publish(ctx, m, opts...) })
}

func (l *Log) publish(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (Seq, error) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	if err := l.writable(ctx, m.Subject); err != nil {
		return 0, err
	}
	// Only a request that nobody took is sent again. One whose answer was lost is not: the server looks at the expected
	// sequence before it looks for a duplicate, so a decision that was stored would be reported as a conflict.
	ack, err := l.js.PublishMsg(ctx, m, append(opts, jetstream.WithRetryAttempts(appendRetries), jetstream.WithRetryWait(appendRetryWait))...)
	if err != nil {
		return 0, appendError(m.Subject, err)
	}
	return Seq(ack.Sequence), nil
}

// writable waits until NATS is there, before what is appended.
func (l *Log) writable(ctx context.Context, what string) error {
	if err := l.connected(ctx, appendTimeout); err != nil {
		return fmt.Errorf("%w: append %s", err, what)
	}
	return nil
}

// message makes what is sent of a draft, or says why it may not be appended. The address is empty where the event is no
// session's.
func (l *Log) message(d Draft) (*nats.Msg, Subject, error) {
	s, err := ParseSubject(d.Subject)
	switch {
	case err != nil && (strings.HasPrefix(d.Subject, sessionsPrefix) || !publishable(d.Subject)):
		return nil, s, err
	case err == nil:
		if !Allowed(s.Actor, s.Name) {
			return nil, s, fmt.Errorf("events: %s may not append %s", s.Actor, s.Name)
		}
		if ShortLived(s.Name) {
			d.TTL = l.sdpRetention
		}
	}
	m, err := d.encode(l.now())
	return m, s, err
}

// LastSeq is the sequence of the session's last event that has not expired; 0 when there is none.
func (l *Log) LastSeq(ctx context.Context, r Region, id SessionID) (Seq, error) {
	if err := checkSession(r, id); err != nil {
		return 0, err
	}
	var seq Seq
	_, err := l.direct(ctx, SessionsStream, directRequest{LastFor: SessionFilter(r, id)}, func(e Event) error {
		seq = e.Sequence
		return nil
	})
	return seq, err
}

// History hands on the events of one session from the sequence from on (0: all), in order, up to now. With several
// replicas any of them may answer, and the newest events may be missing: a decision made on what History returned must
// expect the sequence of the last event it handed on, not one from another read.
func (l *Log) History(ctx context.Context, r Region, id SessionID, from Seq, fn func(Event) error) error {
	if err := checkSession(r, id); err != nil {
		return err
	}
	return l.batches(ctx, SessionsStream, SessionFilter(r, id), from, fn)
}

// Read hands on what a filter holds of a stream from the sequence from on, up to now. An empty filter takes all.
func (l *Log) Read(ctx context.Context, stream, filter string, from Seq, fn func(Event) error) error {
	return l.batches(ctx, stream, filter, from, fn)
}

// batchTries is how often a batch of which messages were lost is asked for again from the last one that came.
const batchTries = 3

// batches reads batch after batch until nothing is pending.
func (l *Log) batches(ctx context.Context, stream, filter string, from Seq, fn func(Event) error) error {
	next := max(from, 1)
	for lost := 0; ; {
		r := directRequest{Seq: next, NextFor: filter, Batch: batchMessages, MaxBytes: batchBytes}
		before := next
		pending, err := l.direct(ctx, stream, r, func(e Event) error {
			if err := fn(e); err != nil {
				return err
			}
			next = e.Sequence + 1
			return nil
		})
		if errors.Is(err, errLost) && lost < batchTries {
			lost++
			continue
		}
		if err != nil {
			return err
		}
		if pending == 0 {
			return nil
		}
		if next == before {
			return fmt.Errorf("events: read %s: %d messages are waiting from %d on, and none came", stream, pending, next)
		}
	}
}

// FindRegion looks up the region of a session that nobody remembers, for reading old histories.
// It returns an empty region when the log knows no such session.
func (l *Log) FindRegion(ctx context.Context, id SessionID) (Region, error) {
	if !ValidToken(string(id)) {
		return "", nil
	}
	var r Region
	_, err := l.direct(ctx, SessionsStream, directRequest{LastFor: sessionsPrefix + "*." + string(id) + ".*.*"}, func(e Event) error {
		r = e.Region
		return nil
	})
	return r, err
}
