package events

import (
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Work is a message of the work queue: a session that waits for an agent. It is a pointer only; the log has the rest.
type Work struct {
	Session SessionID `json:"session"`
	Attempt int       `json:"attempt"` // the attempt that its claim will be
}

// Message makes the NATS message of the session's place in the queue.
func (w Work) Message(r Region, app string) (*nats.Msg, error) {
	if !ValidToken(string(r)) || !ValidToken(app) {
		return nil, fmt.Errorf("events: work: region %q and application %q must be single tokens", r, app)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("events: work: %w", err)
	}
	return &nats.Msg{Subject: WorkSubject(r, app), Data: body}, nil
}

// ParseWork reads a message's body.
func ParseWork(data []byte) (Work, error) {
	var w Work
	if err := json.Unmarshal(data, &w); err != nil {
		return Work{}, fmt.Errorf("events: work: %w", err)
	}
	if !ValidToken(string(w.Session)) {
		return Work{}, fmt.Errorf("events: work: %q is not a session", w.Session)
	}
	return w, nil
}
