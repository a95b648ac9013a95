package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Start says where [Log.Follow] begins: at a sequence if it is not 0, else at a time if it is not zero, else with what
// comes next when New is set, else at the beginning.
type Start struct {
	Seq  Seq
	Time time.Time
	New  bool
}

// Follow hands on what the filters hold of a stream, in order, each once, without end, through an ordered consumer. It
// survives reconnects and restarts of the server. fn runs on the caller's goroutine; its error ends Follow and is
// returned, as is the context's. caught, if not nil, is called each time nothing more is waiting.
func (l *Log) Follow(ctx context.Context, stream string, filters []string, from Start, fn func(Event) error, caught func()) error {
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: filters, InactiveThreshold: time.Minute, DeliverPolicy: jetstream.DeliverAllPolicy}
	switch {
	case from.Seq > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, uint64(from.Seq)
	case !from.Time.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &from.Time
	case from.New:
		cfg.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	cons, err := l.js.OrderedConsumer(ctx, stream, cfg)
	if err != nil {
		return fmt.Errorf("events: follow %s: %w", stream, err)
	}
	if info := cons.CachedInfo(); caught != nil && info != nil && info.NumPending == 0 {
		caught()
	}
	it, err := cons.Messages()
	if err != nil {
		return fmt.Errorf("events: follow %s: %w", stream, err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("events: follow %s: %w", stream, ctx.Err())
		case errors.Is(err, jetstream.ErrNoHeartbeat), errors.Is(err, nats.ErrTimeout):
			continue // the ordered consumer makes itself anew
		case err != nil:
			return fmt.Errorf("events: follow %s: %w", stream, err)
		}
		e, pending, err := Decode(m)
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
		if pending == 0 && caught != nil {
			caught()
		}
	}
}

// Decode reads a message of a consumer; its place in the stream comes from the consumer's metadata. pending is how many
// more wait in the consumer.
func Decode(m jetstream.Msg) (e Event, pending uint64, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, 0, fmt.Errorf("events: %s: %w", m.Subject(), err)
	}
	return decode(m.Subject(), Seq(meta.Sequence.Stream), meta.Timestamp, m.Headers(), m.Data(), 0), meta.NumPending, nil
}
