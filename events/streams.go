package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams and of the heartbeats' bucket.
const (
	SessionsStream  = "SESSIONS"
	WorkStream      = "WORK"
	AgentsStream    = "AGENTS"
	AccountsStream  = "ACCOUNTS"
	DeadlinesStream = "DEADLINES"
	HeartbeatBucket = "HEARTBEATS"
	SnapshotBucket  = "SNAPSHOTS"
)

// Defaults of [StreamsConfig].
const (
	DefaultRetention    = 90 * 24 * time.Hour
	DefaultSDPRetention = 24 * time.Hour
	// HeartbeatEvery is how often an agent renews its key, HeartbeatTTL how long one lives: two may be lost.
	HeartbeatEvery = 3 * time.Second
	HeartbeatTTL   = 10 * time.Second
	// dedupWindow swallows a publisher's own retry, which follows within seconds.
	dedupWindow = 2 * time.Minute
	// createTry bounds one attempt to create a stream, createWait is the pause after it; createOthers is how often
	// somebody else may have been first.
	createTry    = 5 * time.Second
	createWait   = 200 * time.Millisecond
	createOthers = 5
	// workTTL bounds how long a session may wait for an agent; its deadline has ended it long before.
	workTTL = time.Hour
)

// StreamsConfig is what differs between installations.
type StreamsConfig struct {
	Replicas     int           // 1 or 3; 0 means 1
	Retention    time.Duration // lifetime of lifecycle events; 0 means [DefaultRetention]
	SDPRetention time.Duration // lifetime of SDP and candidates; 0 means [DefaultSDPRetention]
	// QualityRetention is the lifetime of samples; 0 means [DefaultQualityRetention].
	QualityRetention time.Duration
	// Memory keeps the streams in memory; for tests.
	Memory bool
}

func (c StreamsConfig) withDefaults() StreamsConfig {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.SDPRetention == 0 {
		c.SDPRetention = DefaultSDPRetention
	}
	if c.QualityRetention == 0 {
		c.QualityRetention = DefaultQualityRetention
	}
	return c
}

// CreateStreams makes the streams, or brings those that are there to this configuration. It is safe to call from
// several components at once. While JetStream is not there it waits for it, as long as ctx allows. A stream whose storage or guarantees were changed by hand is an error that names it.
func CreateStreams(ctx context.Context, js jetstream.JetStream, c StreamsConfig) error {
	c = c.withDefaults()
	storage := jetstream.FileStorage
	if c.Memory {
		storage = jetstream.MemoryStorage
	}
	for _, s := range []jetstream.StreamConfig{
		{
			Name: SessionsStream, Description: "every step of every session",
			Subjects: []string{AllSessions}, MaxAge: c.Retention, AllowMsgTTL: true,
			DenyDelete: true, DenyPurge: true, AllowDirect: true, MaxMsgSize: 2 * MaxData,
			RePublish: &jetstream.RePublish{Source: AllSessions, Destination: liveSessions},
		},
		{
			Name: WorkStream, Description: "sessions that wait for an agent",
			Subjects: []string{"work.*.*"}, Retention: jetstream.WorkQueuePolicy, MaxAge: workTTL, AllowDirect: true,
		},
		{
			Name: AgentsStream, Description: "agents coming and going",
			Subjects: []string{"agents.>"}, MaxAge: c.Retention, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		},
		{
			Name: AccountsStream, Description: "accounts made and deleted",
			Subjects: []string{"accounts.>"}, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		},
		{
			Name: WebhooksStream, Description: "webhooks made and deleted",
			Subjects: []string{"webhooks.>"}, DenyDelete: true, DenyPurge: true, AllowDirect: true,
		},
		{
			Name: DeadlinesStream, Description: "deadlines of sessions, by JetStream's message scheduler",
			Subjects: []string{"deadlines.>"}, AllowMsgSchedules: true, AllowMsgTTL: true, AllowRollup: true, AllowDirect: true,
		},
		qualityStream(c.QualityRetention),
		settingsStream(),
		requestsStream(),
	} {
		s.Storage, s.Replicas, s.Duplicates = storage, c.Replicas, dedupWindow
		if s.MaxAge > 0 {
			s.Duplicates = min(dedupWindow, s.MaxAge) // the server takes no longer one
		}
		if err := create(ctx, "stream "+s.Name, func(ctx context.Context) error {
			_, err := js.CreateOrUpdateStream(ctx, s)
			return err //nolint:wrapcheck // create wraps it
		}); err != nil {
			return err
		}
	}
	if err := create(ctx, "bucket "+WebhookBucket, func(ctx context.Context) error {
		_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: WebhookBucket, Description: "how far the deliveries of webhooks are", Storage: storage, Replicas: c.Replicas,
		})
		return err //nolint:wrapcheck // create wraps it
	}); err != nil {
		return err
	}
	if err := create(ctx, "bucket "+SnapshotBucket, func(ctx context.Context) error {
		_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: SnapshotBucket, Description: "states of read models; the log makes them anew", Storage: storage, Replicas: c.Replicas,
			Compression: true,
		})
		return err //nolint:wrapcheck // create wraps it
	}); err != nil {
		return err
	}
	return create(ctx, "bucket "+HeartbeatBucket, func(ctx context.Context) error {
		_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: HeartbeatBucket, Description: "who is alive", Storage: storage, Replicas: c.Replicas,
			// Kept on disk, for a server that restarts and has no peers would lose the bucket itself. Markers make an expiry an event like any other.
			LimitMarkerTTL: time.Minute,
		})
		return err //nolint:wrapcheck // create wraps it
	})
}

// create tries again for as long as the context lives while the server says it is not ready, or does not answer: a
// cluster that has just started elects its meta leader first. Two components that create the same thing at once, of
// different configuration, make it in turn.
func create(ctx context.Context, what string, fn func(context.Context) error) error {
	for others := 0; ; {
		try, cancel := context.WithTimeout(ctx, createTry)
		err := fn(try)
		cancel()
		if err == nil {
			return nil
		}
		var api *jetstream.APIError
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) && others < createOthers {
			others++
		} else if errors.As(err, &api) && api.Code != http.StatusServiceUnavailable {
			return fmt.Errorf("events: create %s: %w", what, err)
		}
		if werr := wait(ctx, createWait); werr != nil {
			return fmt.Errorf("%w: create %s: %w", ErrUnavailable, what, errors.Join(err, ctx.Err()))
		}
	}
}

// WaitStreams returns when the streams are there: a gateway makes them, and an agent may have been started before it.
func (l *Log) WaitStreams(ctx context.Context) error {
	for {
		_, err := l.js.KeyValue(ctx, HeartbeatBucket) // made last
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("events: the streams are not there yet (a gateway makes them): %w", errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
