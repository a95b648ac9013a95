// Package inbox is how a streamer reads its session: through the one durable consumer that the agent made for it, for a
// streamer may make none.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

const (
	// fetchWait is how long one request for events stays with the server.
	fetchWait = 30 * time.Second
	// fetchBeat is how often the server says meanwhile that it is there: a request that was lost, or a consumer that was
	// deleted, is noticed after two of them are missing.
	fetchBeat = 3 * time.Second
	// retry is the pause after something broke.
	retry = 200 * time.Millisecond
)

// Reader hands on the events of a session, in order and each once. It is run once.
type Reader struct {
	Log     *events.Log
	Session events.SessionID
	Logger  *slog.Logger
	// Early is called once, with what was there when the streamer came: it is to be looked through before any of it is
	// handled, for a client that was displaced before then is not served.
	Early func(context.Context, []events.Event)
	// Event is called with each event after those. Both run on Run's goroutine and hold back what follows.
	Event func(context.Context, events.Event)

	// at is the sequence handed on last. An event whose acknowledgement was lost comes twice; an old join taken for a new
	// one would displace the client.
	at     events.Seq
	early  []events.Event
	caught bool
}

// Run reads until the context ends. It survives what the connection does not. That the consumer is gone ends it: only the
// agent can make another.
func (r *Reader) Run(ctx context.Context) error {
	for {
		err := r.run(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("streamer: %w", ctx.Err())
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return fmt.Errorf("streamer: the session's consumer, which its agent makes: %w", err)
		case r.Log.Conn().IsClosed():
			return fmt.Errorf("streamer: the connection to NATS was closed: %w", err)
		}
		r.Logger.Warn("the log is not to be read, trying on", "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("streamer: %w", ctx.Err())
		case <-time.After(retry):
		}
	}
}

// run reads until something breaks.
func (r *Reader) run(ctx context.Context) error {
	cons, err := r.Log.JetStream().Consumer(ctx, events.SessionsStream, events.SessionConsumer(r.Session))
	if err != nil {
		return err //nolint:wrapcheck // Run asks what it is
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
		if e.Sequence > r.at {
			r.at = e.Sequence
			r.take(ctx, e, pending)
		}
		// Afterwards: an answer to the event does not wait behind the acknowledgement.
		if err := m.Ack(); err != nil {
			r.Logger.Debug("ack", "err", err) // the event comes again
		}
	}
}

// take hands an event on, once all that was there at the start has been seen.
func (r *Reader) take(ctx context.Context, e events.Event, pending uint64) {
	if r.caught {
		r.Event(ctx, e)
		return
	}
	r.early = append(r.early, e)
	if pending == 0 {
		r.caught = true
		r.Early(ctx, r.early)
		r.early = nil
	}
}
