package streamer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// say appends an event of this streamer, and tries again for a while when the log does not answer.
func (s *Streamer) say(ctx context.Context, n events.Name, data any) error {
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	for {
		_, err := s.cfg.Log.Append(ctx, events.NewDraft(s.cfg.Region, s.cfg.Session, events.Streamer, n, data))
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

// read hands the session's events to the loop, in order, through the durable consumer that the agent made.
//
// What is there at the start is looked through first: a client that was displaced before the streamer came is not served.
func (s *Streamer) read(ctx context.Context) error {
	cons, err := s.cfg.Log.JetStream().Consumer(ctx, events.SessionsStream, events.SessionConsumer(s.cfg.Session))
	if err != nil {
		return fmt.Errorf("streamer: the session's consumer, which its agent makes: %w", err)
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(64), jetstream.PullExpiry(fetchWait))
	if err != nil {
		return fmt.Errorf("streamer: %w", err)
	}
	defer it.Stop()
	var early []events.Event
	for caught := false; ; {
		m, err := it.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("streamer: %w", ctx.Err())
		case errors.Is(err, jetstream.ErrNoHeartbeat), errors.Is(err, nats.ErrTimeout):
			continue // the connection is being mended
		case err != nil:
			return fmt.Errorf("streamer: read the log: %w", err)
		}
		e, pending, err := events.Decode(m)
		if err != nil {
			return err
		}
		if err := m.Ack(); err != nil {
			s.log.Debug("ack", "err", err) // the event comes twice, which changes nothing
		}
		if caught {
			s.post(ctx, func(ctx context.Context) error { return s.handle(ctx, e) })
			continue
		}
		early = append(early, e)
		if caught = pending == 0; caught {
			s.replay(ctx, early)
			early = nil
		}
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
