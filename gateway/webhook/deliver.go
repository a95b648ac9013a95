package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// deliverer delivers one webhook's events whenever this gateway is the pinned one.
type deliverer struct {
	hook    hook
	secrets func() ([]Secret, error) // as they are at each attempt
	log     *events.Log
	store   store
	sender  *sender
	times   timing
	logger  *slog.Logger
}

// run goes on until the context ends.
func (d *deliverer) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		level := slog.LevelWarn
		if errors.Is(err, errLost) {
			level = slog.LevelInfo
		}
		d.logger.Log(ctx, level, "webhook deliveries begin anew", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(d.times.firstRetry):
		}
	}
}

// consumer is the webhook's, the same at whatever gateway and time it is made.
func (d *deliverer) consumer(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, d.times.call)
	defer cancel()
	c, err := d.log.JetStream().CreateOrUpdateConsumer(ctx, events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.WebhookConsumer(d.hook.ID), FilterSubjects: d.hook.subjects(),
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(d.hook.After) + 1,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: d.times.ack, MaxAckPending: window, MaxDeliver: -1,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{group}, PinnedTTL: d.times.pin,
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: consumer: %w", err)
	}
	return c, nil
}

// serve waits until this gateway is pinned and delivers until it is not any more.
func (d *deliverer) serve(ctx context.Context) error {
	cons, err := d.consumer(ctx)
	if err != nil {
		return err
	}
	p, err := newPuller(d.log.Conn(), events.WebhookConsumer(d.hook.ID), d.times)
	if err != nil {
		return err
	}
	defer p.close()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhook: %w", ctx.Err())
		case <-p.silence.C:
			if err := p.ask(); err != nil {
				return err
			}
		case m := <-p.msgs:
			it, ok, err := p.got(m)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			t, err := d.take(ctx, cons, p)
			if err != nil {
				return err
			}
			t.arrived(it)
			err = t.loop(ctx)
			t.end(ctx, errors.Is(err, errLost))
			return err
		}
	}
}

// take begins a tenure. That a message came means that this gateway is pinned; under which name, the server says.
func (d *deliverer) take(ctx context.Context, cons jetstream.Consumer, p *puller) (*tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, d.times.call)
	defer cancel()
	info, err := cons.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("webhook: consumer: %w", err)
	}
	for _, g := range info.PriorityGroups {
		p.pin = g.PinnedClientID
	}
	if p.pin == "" {
		return nil, errLost
	}
	cursors, err := d.store.cursors(ctx)
	if err != nil {
		return nil, err
	}
	p.confirmed = p.asked
	t := &tenure{deliverer: d, puller: p, cons: cons, lanes: newLanes(d.times), results: make(chan func(), maxJobs+1)}
	if t.cond, err = d.store.condition(ctx); err != nil {
		return nil, err
	}
	for id, c := range cursors {
		t.lanes.restore(c.Region, id, c.From, events.Seq(info.Delivered.Stream), c.Attempts)
	}
	d.logger.Info("webhook deliveries begin", "unacknowledged", info.NumAckPending, "pending", info.NumPending, "parked", len(cursors))
	return t, nil
}

// gone tells whether an error means that the consumer or the stream is not there.
func gone(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == http.StatusNotFound
}
