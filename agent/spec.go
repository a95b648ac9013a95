package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/agent/driver"
	"streamstack/events"
	"streamstack/projections"
)

// spec is what the driver needs to know.
func (r *run) spec(ctx context.Context, s projections.Session) (driver.Spec, error) {
	apps := r.a.offer.get()
	app, ok := apps.Get(s.App, s.AppVersion)
	if s.AppVersion == 0 {
		app, ok = apps.Default(s.App)
	}
	if !ok {
		return driver.Spec{}, driver.Because(driver.ErrMissing, "application %s version %d is not served here any more", s.App, s.AppVersion)
	}
	extra, err := r.extraData(ctx, s)
	if err != nil {
		return driver.Spec{}, err
	}
	user, err := events.UserData(s.ID, s.Screen, extra)
	if err != nil {
		return driver.Spec{}, driver.Because(driver.ErrRefused, "%w", err)
	}
	creds, err := r.a.cfg.Credentials(s.Region, s.ID)
	if err != nil {
		return driver.Spec{}, fmt.Errorf("credentials of the streamer: %w", err)
	}
	secret, err := json.Marshal(creds)
	if err != nil {
		return driver.Spec{}, fmt.Errorf("credentials of the streamer: %w", err)
	}
	return driver.Spec{
		Session: string(s.ID), Application: app, UserData: user,
		Screen: driver.Screen{Width: s.Screen.Width, Height: s.Screen.Height, FPS: s.Screen.FPS, Density: s.Screen.Density},
		Streamer: driver.Streamer{
			Secret: secret,
			Env: append([]string{
				"STREAMSTACK_SESSION=" + string(s.ID), "STREAMSTACK_REGION=" + string(s.Region), "STREAMSTACK_ATTEMPT=" + strconv.Itoa(r.s.Attempt),
				"STREAMSTACK_AUDIO=" + strconv.FormatBool(app.Audio), "STREAMSTACK_ADB_PORT=" + strconv.Itoa(app.ADB.Port),
			}, r.a.cfg.StreamerEnv...),
		},
		Attempt: r.s.Attempt,
		Pulling: func(ctx context.Context, p driver.Pull) {
			d := events.PullingData{Agent: r.a.cfg.ID, Attempt: r.s.Attempt, Image: p.Image, Done: p.Done, Total: p.Total, Over: p.Over}
			if _, err := r.a.cfg.Log.Append(ctx, events.NewDraft(s.Region, s.ID, events.Agent, events.Pulling, d)); err != nil {
				r.a.log.Warn("the history lacks how an image was fetched", "session", s.ID, "err", err)
			}
		},
		BeforeStreamer: func(ctx context.Context) error {
			d := events.LaunchedData{Agent: r.a.cfg.ID, Attempt: r.s.Attempt, Instance: string(s.ID), Warm: r.warm}
			_, err := r.a.cfg.Log.Append(ctx, events.NewDraft(s.Region, s.ID, events.Agent, events.Launched, d))
			return err
		},
	}, nil
}

// extraData reads the request's extra_data, which follows the creation in an event of its own; null where there is none.
func (r *run) extraData(ctx context.Context, s projections.Session) (events.Raw, error) {
	raw := events.Raw("null")
	if !s.HasExtraData {
		return raw, nil
	}
	// It bounds the time until the last look, not the looks: a log that is slow to answer does not mean that there is none.
	wait, cancel := context.WithTimeout(ctx, extraWait)
	defer cancel()
	for {
		found := false
		err := again(ctx, func() error {
			return r.a.cfg.Log.History(ctx, s.Region, s.ID, s.First, func(e events.Event) error {
				var d events.ExtraDataData
				if e.Is(events.Gateway, events.ExtraData) && e.Decode(&d) == nil {
					raw, found = d.ExtraData, true
				}
				return nil
			})
		})
		switch {
		case err != nil:
			return nil, fmt.Errorf("extra_data: %w", err)
		case found:
			return raw, nil
		}
		if err := pause(wait, bounce); err != nil {
			return nil, driver.Because(driver.ErrRefused, "extra_data did not come: %w", err)
		}
	}
}

// consumer makes the durable through which the streamer reads its session: it may not make one.
func (r *run) consumer(ctx context.Context, s projections.Session) error {
	err := r.makeConsumer(ctx, s)
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || !r.a.cfg.Log.Conn().IsConnected()) {
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return err
}

func (r *run) makeConsumer(ctx context.Context, s projections.Session) error {
	if s.Attempt > 1 {
		// What an earlier attempt's streamer has read would count as read. Losing its consumer also ends that one.
		if err := r.deleteConsumer(ctx); err != nil {
			return err
		}
	}
	_, err := r.a.cfg.Log.JetStream().CreateOrUpdateConsumer(ctx, events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(s.ID), FilterSubject: events.SessionFilter(s.Region, s.ID),
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(s.First),
		// One at a time: an event that was lost with a connection comes again before those after it. And in a file,
		// since a streamer cannot make its consumer anew when the server has been restarted.
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: streamerAck, InactiveThreshold: consumerLife,
	})
	if err != nil {
		return fmt.Errorf("consumer of the streamer: %w", err)
	}
	return nil
}
