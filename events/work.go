package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// Answers to a message of a consumer (ADR-15 of NATS).
const (
	ackDone   = "+ACK"
	ackAgain  = "-NAK"
	ackRefuse = "+TERM"
	ackPrefix = "$JS.ACK."
	// ackAPI is what an answer's subject begins with behind another prefix ([WithAPI]).
	ackAPI = ".ACK."
)

// Done tells the consumer that a message needs no more work.
func (l *Log) Done(m jetstream.Msg) error { return l.answer(m, ackDone) }

// Again has a message delivered once more, to somebody, after a pause; 0 is at once.
func (l *Log) Again(m jetstream.Msg, after time.Duration) error {
	if after <= 0 {
		return l.answer(m, ackAgain)
	}
	return l.answer(m, fmt.Sprintf(`%s {"delay": %d}`, ackAgain, after.Nanoseconds()))
}

// Refuse has a message never delivered again.
func (l *Log) Refuse(m jetstream.Msg, why string) error { return l.answer(m, ackRefuse+" "+why) }

// answer goes the way of the API's calls: an answer names the consumer, and one of the answers asks for the next message.
func (l *Log) answer(m jetstream.Msg, text string) error {
	to := m.Reply()
	if rest, ok := strings.CutPrefix(to, ackPrefix); ok && l.prefix != "" {
		to = l.prefix + ackAPI + rest
	}
	if err := l.nc.Publish(to, []byte(text)); err != nil {
		return fmt.Errorf("events: answer %s: %w", m.Subject(), err)
	}
	return nil
}
