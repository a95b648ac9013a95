package events

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// RequestsStream holds the creations that carried an idempotency key (draft-ietf-httpapi-idempotency-key-header), for
// [RequestLife]. It is apart from SESSIONS, whose subjects begin with a region: two gateways that are asked at once may
// think of different ones, and must meet nevertheless.
const RequestsStream = "REQUESTS"

// RequestLife is how long an idempotency key is remembered.
const RequestLife = 24 * time.Hour

// RequestClaimed is the event of a request, on requests.<account>.<digest>.claimed; appended by a gateway.
const RequestClaimed Name = "claimed"

// RequestData is requests.….claimed: whoever comes with this account's key is given this session. The session itself
// follows in its own log, by the first gateway that comes so far.
type RequestData struct {
	Session     SessionID `json:"session"`
	Region      Region    `json:"region"`
	Peer        PeerID    `json:"peer"`        // of its first client
	Fingerprint string    `json:"fingerprint"` // of the request's body, keyed by the idempotency key, which is not stored
}

// RequestKey is the address of a request: an account, and the digest of its key. Both are one token.
type RequestKey struct{ Account, Digest string }

// subject is what appends expect the sequence of, and what is read: the one place that spells it.
func (k RequestKey) subject() string {
	return "requests." + k.Account + "." + k.Digest + "." + string(RequestClaimed)
}

// NewRequestDraft makes a draft of a request's event.
func NewRequestDraft(k RequestKey, data RequestData) Draft {
	return Draft{Subject: k.subject(), Source: SourceOf(Gateway), Type: RequestTypeOf(RequestClaimed), Data: data}
}

// ClaimRequest appends the claim if the key is not remembered, and fails with [ErrConflict] if it is.
func (l *Log) ClaimRequest(ctx context.Context, k RequestKey, data RequestData) error {
	m, _, err := l.message(NewRequestDraft(k, data))
	if err != nil {
		return err
	}
	_, err = l.append(ctx, m, jetstream.WithExpectLastSequencePerSubject(0))
	return err
}

// Request returns what was claimed for a key; not ok where the key is not remembered.
func (l *Log) Request(ctx context.Context, k RequestKey) (data RequestData, ok bool, err error) {
	_, err = l.direct(ctx, RequestsStream, directRequest{LastFor: k.subject()}, func(e Event) error {
		if ok = e.Quarantine == "" && e.Type == RequestTypeOf(RequestClaimed); !ok {
			return nil
		}
		return e.Decode(&data)
	})
	if err != nil {
		return RequestData{}, false, fmt.Errorf("events: request: %w", err)
	}
	return data, ok, nil
}

func requestsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: RequestsStream, Description: "creations with an idempotency key",
		Subjects: []string{"requests.>"}, MaxAge: RequestLife, DenyDelete: true, DenyPurge: true, AllowDirect: true,
	}
}
