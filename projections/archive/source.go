package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Source is where the tools read sessions' events from.
type Source interface {
	// Read hands on what a filter of SESSIONS holds from a sequence on, up to now, in order; fn's error ends it.
	Read(ctx context.Context, filter string, from events.Seq, fn func(events.Event) error) error
	// SeqAt is a sequence before which everything was stored before a time.
	SeqAt(ctx context.Context, t time.Time) (events.Seq, error)
	// Last is the last sequence there is now; 0 where there is none.
	Last(ctx context.Context) (events.Seq, error)
}

// lookTime bounds the look for a sandbox. NATS does not answer what credentials may not ask: who waits is to hear of it soon.
const lookTime = 2 * time.Second

// Open opens a source: the log with its archive, or, where stream is not empty, the sandbox of that name. close it when
// nothing is read any more.
func Open(ctx context.Context, log *events.Log, stream string) (s Source, closeIt func(), err error) {
	if stream == "" || stream == events.SessionsStream {
		a := New(log)
		return a, a.Close, nil
	}
	if err := events.CheckSandbox(stream); err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	named := log.Refusals()
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if _, err := log.JetStream().Stream(looking, stream); errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil, fmt.Errorf("no stream %s: `streamstack replay ID --to %s` makes it", stream, stream)
	} else if err != nil {
		return nil, nil, named(fmt.Errorf("archive: stream %s: %w", stream, err))
	}
	return sandbox{log, stream}, func() {}, nil
}

// Last is the last sequence of the log.
func (a *Archive) Last(ctx context.Context) (events.Seq, error) {
	l, err := a.limits(ctx)
	return l.last, err
}

// sandbox is a stream of replayed sessions.
type sandbox struct {
	log    *events.Log
	stream string
}

func (s sandbox) Read(ctx context.Context, filter string, from events.Seq, fn func(events.Event) error) error {
	return s.log.Read(ctx, s.stream, events.SandboxFilter(s.stream, filter), from, fn)
}

func (s sandbox) SeqAt(ctx context.Context, t time.Time) (events.Seq, error) {
	return s.log.FirstAt(ctx, s.stream, t)
}

func (s sandbox) Last(ctx context.Context) (events.Seq, error) {
	info, err := s.log.JetStream().Stream(ctx, s.stream)
	if err != nil {
		return 0, fmt.Errorf("archive: stream %s: %w", s.stream, err)
	}
	return events.Seq(info.CachedInfo().State.LastSeq), nil
}
