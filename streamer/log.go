package streamer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// say appends an event of this streamer, and tries again for a while when the log does not answer. However often it tries,
// it is one event: a second offer would begin a negotiation anew.
func (s *Streamer) say(ctx context.Context, n events.Name, data any) error {
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	d, err := events.NewDraft(s.cfg.Region, s.cfg.Session, events.Streamer, n, data).Once()
	if err != nil {
		return fmt.Errorf("streamer: %w", err)
	}
	for {
		_, err := s.cfg.Log.Append(ctx, d)
		if err == nil || !errors.Is(err, events.ErrUnavailable) {
			return err
		}
		s.log.Warn("event not recorded, trying again", "event", n, "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(appendRetry):
		}
	}
}

// read hands the session's events to the loop, in order and each once, through the durable consumer that the agent made.
// It survives what the connection does not. That the consumer is gone ends it: only the agent can make another.
func (s *Streamer) read(ctx context.Context) error {
	r := &reader{s: s}
	for {
		err := r.run(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("streamer: %w", ctx.Err())
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return fmt.Errorf("streamer: the session's consumer, which its agent makes: %w", err)
		case s.cfg.Log.Conn().IsClosed():
			return fmt.Errorf("streamer: the connection to NATS was closed: %w", err)
		}
		s.log.Warn("the log is not to be read, trying on", "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("streamer: %w", ctx.Err())
		case <-time.After(appendRetry):
		}
	}
}

// reader is the state of [Streamer.read].
type reader struct {
	s *Streamer
	// at is the sequence handed on last. An event whose acknowledgement was lost comes twice; an old join taken for a new
	// one would displace the client.
	at events.Seq
	// early is what was there when the streamer came. It is looked through before any of it is handled: a client that was
	// displaced before then is not served.
	early  []events.Event
	caught bool
}

// run reads until something breaks.
func (r *reader) run(ctx context.Context) error {
	cons, err := r.s.cfg.Log.JetStream().Consumer(ctx, events.SessionsStream, events.SessionConsumer(r.s.cfg.Session))
	if err != nil {
		return err //nolint:wrapcheck // read asks what it is
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(64), jetstream.PullExpiry(fetchWait), jetstream.PullHeartbeat(fetchBeat))
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err //nolint:wrapcheck // as above
		}
		e, pending, err := events.Decode(m)
		if err != nil {
			return err
		}
		if err := m.Ack(); err != nil {
			r.s.log.Debug("ack", "err", err) // the event comes again
		}
		if e.Sequence > r.at {
			r.at = e.Sequence
			r.take(ctx, e, pending)
		}
	}
}

// take hands an event on, once all that was there at the start has been seen.
func (r *reader) take(ctx context.Context, e events.Event, pending uint64) {
	if r.caught {
		r.s.post(ctx, func(ctx context.Context) error { return r.s.handle(ctx, e) })
		return
	}
	r.early = append(r.early, e)
	if pending == 0 {
		r.caught = true
		r.s.replay(ctx, r.early)
		r.early = nil
	}
}

// replay handles what was there when the streamer came, from the last client's joining on.
func (s *Streamer) replay(ctx context.Context, early []events.Event) {
	from := 0
	for i, e := range early {
		if e.Is(events.Gateway, events.Joined) {
			from = i
		}
	}
	for _, e := range early[from:] {
		s.post(ctx, func(ctx context.Context) error { return s.handle(ctx, e) })
	}
}
