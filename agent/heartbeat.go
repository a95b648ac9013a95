package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// beat renews the agent's heartbeat until the context ends. One that fails is tried again at the next turn: the key
// lives for three of them.
func (a *Agent) beat(ctx context.Context) error {
	tick := time.NewTicker(events.HeartbeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("agent: heartbeat: %w", ctx.Err())
		case <-tick.C:
		case <-a.pool.changes(): // so that it tells what is
		}
		if err := a.heartbeat(ctx); err != nil {
			a.log.Warn("heartbeat not sent", "err", err)
		}
	}
}

// heartbeat publishes the key raw: kv.Update after a put with a TTL would make a key that never expires.
func (a *Agent) heartbeat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, events.HeartbeatEvery)
	defer cancel()
	m := nats.NewMsg(a.heartbeatSubject())
	beat := events.Heartbeat{Time: time.Now(), Warm: a.pool.size()}
	if a.cfg.Load != nil {
		load := a.cfg.Load()
		beat.Load = &load
	}
	m.Data = beat.Value()
	if _, err := a.cfg.Log.JetStream().PublishMsg(ctx, m, jetstream.WithMsgTTL(events.HeartbeatTTL)); err != nil {
		return fmt.Errorf("agent: heartbeat: %w", err)
	}
	return nil
}

// silence takes the heartbeat away, so that nobody waits for its expiry.
func (a *Agent) silence(ctx context.Context) error {
	m := nats.NewMsg(a.heartbeatSubject())
	m.Header.Set("KV-Operation", "DEL")
	if _, err := a.cfg.Log.JetStream().PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("agent: heartbeat: %w", err)
	}
	return nil
}

func (a *Agent) heartbeatSubject() string {
	return "$KV." + events.HeartbeatBucket + "." + events.HeartbeatKey(a.cfg.Region, a.cfg.ID)
}
