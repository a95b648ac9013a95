package events

import (
	"encoding/json"
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

// Heartbeat is what a heartbeat says.
type Heartbeat struct {
	Time time.Time `json:"time"` // of its sending
	// Load is how busy the machine is: processes that run or wait, for each of its processors. nil where it is not known.
	Load *float64 `json:"load,omitempty"`
	// Warm is how many instances of an agent wait for sessions; nil where none ever do.
	Warm *int `json:"warm,omitempty"`
	// User is the public key of a streamer's NATS user, whose agent renews it.
	User string `json:"user,omitempty"`
	// Asks tells that this is no sign of life, and only asks for the user to be renewed: from who speaks for a streamer that gives none, whose
	// silence says nothing.
	Asks bool `json:"asks,omitempty"`
}

// Value is the key's value.
func (h Heartbeat) Value() []byte {
	if h.Load != nil || h.Warm != nil || h.User != "" {
		if text, err := json.Marshal(h); err == nil { // else the load is no number: the sign of life counts
			return text
		}
	}
	return []byte(h.Time.UTC().Format(time.RFC3339Nano))
}

// ParseHeartbeat reads a key's value; false for what is none, such as what a server says on the key's subject when somebody
// names that for an answer: it would be a heartbeat that never expires.
func ParseHeartbeat(value []byte) (h Heartbeat, ok bool) {
	if t, err := time.Parse(time.RFC3339Nano, string(value)); err == nil {
		return Heartbeat{Time: t}, true
	}
	if json.Unmarshal(value, &h) != nil || h.Time.IsZero() {
		return Heartbeat{}, false
	}
	return h, true
}

// Beat publishes a heartbeat, with the public key of a user that is to be renewed where it is not empty, and waits for no answer: the next follows in [HeartbeatEvery], and the key lives for
// [HeartbeatTTL]. While NATS is away there is none: one that the client kept for later would be a lie by then.
func (l *Log) Beat(key, user string) error {
	return l.beat(key, Heartbeat{Time: time.Now(), User: user})
}

// AskRenewal publishes that a streamer's user is to be renewed, where it gives no sign of life otherwise; see [Heartbeat.Asks].
func (l *Log) AskRenewal(key, user string) error {
	return l.beat(key, Heartbeat{Time: time.Now(), User: user, Asks: true})
}

func (l *Log) beat(key string, h Heartbeat) error {
	if !l.nc.IsConnected() {
		return fmt.Errorf("%w: no heartbeat", ErrUnavailable)
	}
	m := nats.NewMsg(HeartbeatSubject(key))
	m.Data = h.Value()
	m.Header.Set(jetstream.MsgTTLHeader, HeartbeatTTL.String())
	if err := l.nc.PublishMsg(m); err != nil {
		return fmt.Errorf("events: heartbeat: %w", err)
	}
	return nil
}
