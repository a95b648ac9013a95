package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// store keeps what is not in the log: cursors of parked sessions, and how a webhook does. Both are the pinned gateway's to
// write. Nothing is lost with the second; with the first, its sessions' events would be.
type store struct {
	kv jetstream.KeyValue
	id events.WebhookID
}

// cursor is a parked session: the next of its events to deliver.
type cursor struct {
	Region   events.Region `json:"region"`
	From     events.Seq    `json:"from"`
	Attempts int           `json:"attempts"`
}

// Condition is how a webhook does, for operators.
type Condition struct {
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Failing is how many attempts in a row have failed, whatever the session.
	Failing int `json:"failing,omitempty"`
	Parked  int `json:"parked,omitempty"`
}

const (
	conditionKey = "condition"
	parkedKey    = "parked"
)

func (s store) key(parts ...string) string { return string(s.id) + "." + strings.Join(parts, ".") }

func (s store) put(ctx context.Context, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if _, err := s.kv.Put(ctx, key, data); err != nil {
		return fmt.Errorf("webhook: keep %s: %w", key, err)
	}
	return nil
}

func (s store) saveCursor(ctx context.Context, id events.SessionID, c cursor) error {
	return s.put(ctx, s.key(parkedKey, string(id)), c)
}

func (s store) dropCursor(ctx context.Context, id events.SessionID) error {
	if err := s.kv.Purge(ctx, s.key(parkedKey, string(id))); err != nil {
		return fmt.Errorf("webhook: forget the cursor of %s: %w", id, err)
	}
	return nil
}

// cursors are the webhook's parked sessions.
func (s store) cursors(ctx context.Context) (map[events.SessionID]cursor, error) {
	out := map[events.SessionID]cursor{}
	err := s.each(ctx, s.key(parkedKey, "*"), func(e jetstream.KeyValueEntry) error {
		var c cursor
		if err := json.Unmarshal(e.Value(), &c); err != nil {
			return fmt.Errorf("webhook: %s: %w", e.Key(), err)
		}
		out[events.SessionID(e.Key()[strings.LastIndex(e.Key(), ".")+1:])] = c
		return nil
	})
	return out, err
}

func (s store) saveCondition(ctx context.Context, c Condition) error {
	return s.put(ctx, s.key(conditionKey), c)
}

func (s store) condition(ctx context.Context) (c Condition, err error) {
	e, err := s.kv.Get(ctx, s.key(conditionKey))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("webhook: %w", err)
	}
	if err := json.Unmarshal(e.Value(), &c); err != nil {
		return c, fmt.Errorf("webhook: %s: %w", e.Key(), err)
	}
	return c, nil
}

// clear forgets everything of a webhook that was deleted.
func (s store) clear(ctx context.Context) error {
	return s.each(ctx, s.key(">"), func(e jetstream.KeyValueEntry) error {
		if err := s.kv.Purge(ctx, e.Key()); err != nil {
			return fmt.Errorf("webhook: forget %s: %w", e.Key(), err)
		}
		return nil
	})
}

// each hands on what there is now under a key pattern.
func (s store) each(ctx context.Context, pattern string, fn func(jetstream.KeyValueEntry) error) error {
	w, err := s.kv.Watch(ctx, pattern, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("webhook: read %s: %w", pattern, err)
	}
	defer func() { _ = w.Stop() }() // fails only when the connection is closed
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhook: read %s: %w", pattern, ctx.Err())
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("webhook: read %s: the watch ended", pattern)
			case e == nil:
				return nil
			}
			if err := fn(e); err != nil {
				return err
			}
		}
	}
}
