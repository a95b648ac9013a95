package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// Figures of the process managers' durable consumers.
const (
	// managerAck is when an event comes again that a gateway took and did not finish.
	managerAck = 10 * time.Second
	// managerDelay is the pause before one that failed comes again.
	managerDelay = time.Second
	// managerPull is how many events a gateway takes ahead; it handles them one after the other.
	managerPull = 16
	// managerDrain is how long the end of a gateway waits for each of these, to give it back.
	managerDrain = 100 * time.Millisecond
)

// manage runs one durable consumer, which all gateways share, until the context ends. An event whose handling fails
// comes again; handling must bear that. Only a consumer that cannot be made at the start is an error: later on it is
// made anew as often as it breaks.
func (g *Gateway) manage(ctx context.Context, stream string, cfg jetstream.ConsumerConfig, handle func(context.Context, events.Event) error) error {
	cfg.AckPolicy, cfg.AckWait = jetstream.AckExplicitPolicy, managerAck
	for first := true; ; first = false {
		cons, err := g.cfg.Log.JetStream().CreateOrUpdateConsumer(ctx, stream, cfg)
		var api *jetstream.APIError
		if err != nil && first && errors.As(err, &api) && api.Code != http.StatusServiceUnavailable {
			return fmt.Errorf("gateway: consumer %s: %w", cfg.Durable, err)
		}
		if err == nil {
			err = g.consume(ctx, cons, handle)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("gateway: consumer %s: %w", cfg.Durable, ctx.Err())
		}
		g.log.Warn("process manager waits for NATS", "consumer", cfg.Durable, "err", err)
		if err := pause(ctx, managerDelay); err != nil {
			return err
		}
	}
}

// consume handles what a consumer delivers until the context ends or the consumer breaks.
func (g *Gateway) consume(ctx context.Context, cons jetstream.Consumer, handle func(context.Context, events.Event) error) error {
	it, err := cons.Messages(jetstream.PullMaxMessages(managerPull))
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	defer giveBack(it)
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		if err := g.handle(ctx, m, handle); err != nil {
			g.log.Warn("event will be handled again", "subject", m.Subject(), "err", err)
			if err := m.NakWithDelay(managerDelay); err != nil {
				g.log.Debug("nak", "err", err) // it comes again after managerAck
			}
			continue
		}
		if err := m.Ack(); err != nil {
			g.log.Debug("ack", "err", err)
		}
	}
}

// giveBack ends an iterator. What it has fetched goes to another gateway now, not only after managerAck.
func giveBack(it jetstream.MessagesContext) {
	defer it.Stop()
	it.Drain()
	for {
		m, err := it.Next(jetstream.NextMaxWait(managerDrain)) // while NATS is away a drain has no end
		if err != nil {
			return
		}
		_ = m.Nak() // it comes again after managerAck
	}
}

func (g *Gateway) handle(ctx context.Context, m jetstream.Msg, handle func(context.Context, events.Event) error) error {
	e, _, err := events.Decode(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, managerAck)
	defer cancel()
	return handle(ctx, e)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("gateway: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}

// dispatch fills the work queue from created, requeued and attempt_failed. It is a consumer, never a second write beside the event: a
// gateway that dies between the two would lose the session.
func (g *Gateway) dispatch(ctx context.Context) error {
	return g.manage(ctx, events.SessionsStream, jetstream.ConsumerConfig{
		Durable: "gateway-dispatch",
		FilterSubjects: []string{
			events.EventFilter("", events.Gateway, events.Created),
			events.EventFilter("", events.Gateway, events.Requeued),
			events.EventFilter("", events.Agent, events.AttemptFailed),
		},
	}, func(ctx context.Context, e events.Event) error {
		if !e.Sound() {
			return nil
		}
		s, err := g.current(ctx, e)
		if err != nil {
			return err
		}
		if s.Ended() || s.Claimed || s.Status == projections.StatusTerminating {
			return nil
		}
		return g.queue(ctx, s, e.ID)
	})
}

// current is a session's state, with at least e in it: as this gateway's read model has it, which costs nothing, or else
// the log. Whoever acts on it bears that more has happened since.
func (g *Gateway) current(ctx context.Context, e events.Event) (s projections.Session, err error) {
	var ok bool
	g.sessions.Read(func(m *projections.Sessions) {
		if m.At() >= e.Sequence {
			s, ok = m.Get(e.Session)
		}
	})
	if !ok {
		s, _, err = projections.Load(ctx, g.cfg.Log, e.Region, e.Session)
	}
	return s, err
}

// queue puts a session into the work queue. The event's id makes a repetition harmless; only gateways may publish here,
// so it cannot be guessed to any effect.
func (g *Gateway) queue(ctx context.Context, s projections.Session, id string) error {
	m, err := events.Work{Session: s.ID, Attempt: s.Attempt + 1}.Message(s.Region, s.App)
	if err != nil {
		return err
	}
	m.Header = nats.Header{jetstream.MsgIDHeader: {id}}
	if _, err := g.cfg.Log.JetStream().PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("gateway: queue %s: %w", s.ID, err)
	}
	return nil
}
