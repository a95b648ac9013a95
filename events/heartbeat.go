package events

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamerKey is a streamer's key in the HEARTBEATS bucket.
func StreamerKey(r Region, id SessionID) string { return "streamer." + string(r) + "." + string(id) }

// HeartbeatSubject is where a heartbeat of a key is published: raw, for kv.Update after a put with a TTL would make a key
// that never expires.
func HeartbeatSubject(key string) string { return "$KV." + HeartbeatBucket + "." + key }

// Beat publishes a heartbeat and waits for no answer: the next follows in [HeartbeatEvery], and the key lives for
// [HeartbeatTTL]. While NATS is away there is none: one that the client kept for later would be a lie by then.
func (l *Log) Beat(key string) error {
	if !l.nc.IsConnected() {
		return fmt.Errorf("%w: no heartbeat", ErrUnavailable)
	}
	m := nats.NewMsg(HeartbeatSubject(key))
	m.Data = []byte(time.Now().UTC().Format(time.RFC3339Nano))
	m.Header.Set(jetstream.MsgTTLHeader, HeartbeatTTL.String())
	if err := l.nc.PublishMsg(m); err != nil {
		return fmt.Errorf("events: heartbeat: %w", err)
	}
	return nil
}
