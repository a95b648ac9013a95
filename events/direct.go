package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits of one batched Direct Get (ADR-31).
const (
	batchMessages = 512
	batchBytes    = 4 << 20
	// directTimeout bounds one request; a replica that went away while it answered never ends the batch.
	directTimeout = 5 * time.Second
)

// directRequest is the body of $JS.API.DIRECT.GET.<stream>.
type directRequest struct {
	Seq        Seq        `json:"seq,omitempty"`
	StartTime  *time.Time `json:"start_time,omitempty"`
	NextFor    string     `json:"next_by_subj,omitempty"`
	LastFor    string     `json:"last_by_subj,omitempty"`
	Batch      int        `json:"batch,omitempty"`
	MaxBytes   int        `json:"max_bytes,omitempty"`
	wantsBatch bool
}

// direct does one Direct Get and hands each message on; pending is how many more the filter holds.
func (l *Log) direct(ctx context.Context, stream string, r directRequest, fn func(Event) error) (pending int, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("events: direct get: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	inbox := l.nc.NewInbox()
	sub, err := l.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, fmt.Errorf("events: direct get: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed, and then nothing is left of it
	prefix := l.js.Options().APIPrefix
	if prefix == "" {
		prefix = jetstream.DefaultAPIPrefix
	}
	if err := l.nc.PublishRequest(prefix+"DIRECT.GET."+stream, inbox, body); err != nil {
		return 0, fmt.Errorf("events: direct get: %w", err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, fmt.Errorf("events: direct get of %s: %w", stream, err)
		}
		// Every stored message carries the server's Nats-Sequence, a status message never does: so a publisher who
		// puts a status among its headers cannot end somebody's reading.
		if last(m.Header, hdrSequence) == "" {
			return directStatus(m, stream)
		}
		e, err := decodeServed(m)
		if err != nil {
			return 0, err
		}
		if err := fn(e); err != nil {
			return 0, err
		}
		if !r.wantsBatch {
			return 0, nil
		}
	}
}

// directStatus reads the message that ends an answer.
func directStatus(m *nats.Msg, stream string) (pending int, err error) {
	switch status := last(m.Header, "Status"); {
	case status == "404":
		return 0, nil
	case status == "204":
		n, err := strconv.Atoi(last(m.Header, "Nats-Num-Pending"))
		if err != nil {
			return 0, fmt.Errorf("events: direct get of %s: end of batch without a count: %w", stream, err)
		}
		return n, nil
	case status == "503" || (status == "" && len(m.Data) == 0):
		return 0, fmt.Errorf("events: direct get of %s: %w", stream, nats.ErrNoResponders)
	default:
		return 0, fmt.Errorf("events: direct get of %s: %s %s", stream, status, last(m.Header, "Description"))
	}
}

// decodeServed reads a message to which the server added its headers: from Direct Get or a live subject. By the
// reading rule the last value counts.
func decodeServed(m *nats.Msg) (Event, error) {
	seq, err := strconv.ParseUint(last(m.Header, hdrSequence), 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("events: %s: no sequence from the server: %w", m.Subject, err)
	}
	stored, err := time.Parse(time.RFC3339Nano, last(m.Header, hdrStored))
	if err != nil {
		return Event{}, fmt.Errorf("events: %s: no time from the server: %w", m.Subject, err)
	}
	return decode(last(m.Header, hdrSubject), Seq(seq), stored, m.Header, m.Data, 1), nil
}
