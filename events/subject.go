package events

import (
	"errors"
	"fmt"
	"strings"
)

// Region names a place where agents run: one lower-case NATS token, see [ValidToken].
type Region string

// SessionID identifies a session; it is a UUID (RFC 9562) in lower case.
type SessionID string

// AgentID identifies an agent within its region: one token.
type AgentID string

// PeerID identifies one negotiation between a client and a streamer. Every join makes a new one.
type PeerID string

// Seq is a sequence number of a JetStream stream; the first is 1.
type Seq uint64

// Actor says who appended an event. NATS permissions enforce it.
type Actor string

// The actors of a session.
const (
	Gateway  Actor = "gateway"
	Agent    Actor = "agent"
	Streamer Actor = "streamer"
	Client   Actor = "client"
)

// Prefixes of the subjects, and the wildcard that takes all sessions in.
const (
	sessionsPrefix = "sessions."
	livePrefix     = "live."
	AllSessions    = "sessions.>"
	liveSessions   = livePrefix + AllSessions
)

// maxToken is the longest token allowed in a subject (design.md).
const maxToken = 63

// ErrSubject is returned for a subject that is none of ours.
var ErrSubject = errors.New("events: not a session subject")

// Subject is the address of a session's event.
type Subject struct {
	Region  Region
	Session SessionID
	Actor   Actor
	Name    Name
}

// String is the NATS subject.
func (s Subject) String() string {
	return sessionsPrefix + string(s.Region) + "." + string(s.Session) + "." + string(s.Actor) + "." + string(s.Name)
}

// ParseSubject reads a NATS subject. It does not ask whether the actor may append the event: see [Allowed].
func ParseSubject(subject string) (Subject, error) {
	var parts [5]string
	n := 0
	for p := range strings.SplitSeq(subject, ".") {
		if n < len(parts) {
			parts[n] = p
		}
		n++
	}
	if n != len(parts) || parts[0] != "sessions" {
		return Subject{}, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	if !ValidToken(parts[1]) || !ValidToken(parts[2]) || !validWord(parts[3]) || !validWord(parts[4]) {
		return Subject{}, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	return Subject{Region: Region(parts[1]), Session: SessionID(parts[2]), Actor: Actor(parts[3]), Name: Name(parts[4])}, nil
}

// ValidToken tells whether s may be a region, a session id, an application or an agent in a subject: [a-z0-9-]{1,63}.
func ValidToken(s string) bool { return validWord(s) && strings.IndexByte(s, '_') < 0 }

// validWord tells whether s may be an actor or the name of an event, of this version or a newer one.
func validWord(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// publishable tells whether a message may be published on a subject: no empty token, no wildcard, nothing unprintable.
func publishable(subject string) bool {
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == '*' || r == '>' || r == 0x7f }) {
			return false
		}
	}
	return true
}

// SessionFilter takes in all events of one session. It is the one place that spells this filter: on R3 two texts of the
// same meaning as Nats-Expected-Last-Subject-Sequence-Subject let two deciders both win.
func SessionFilter(r Region, id SessionID) string {
	return sessionsPrefix + string(r) + "." + string(id) + ".>"
}

// EventFilter takes in one kind of event over all sessions, or those of a region when r is not empty.
func EventFilter(r Region, a Actor, n Name) string {
	if r == "" {
		r = "*"
	}
	return sessionsPrefix + string(r) + ".*." + string(a) + "." + string(n)
}

// WorkSubject is where a session waits for an agent of its region that serves its application.
func WorkSubject(r Region, app string) string { return "work." + string(r) + "." + app }

// WorkConsumer names the durable consumer of [WorkSubject]'s messages, shared by the agents of the region. No region has
// an underscore, so two regions never share a name.
func WorkConsumer(r Region, app string) string { return "work-" + string(r) + "_" + app }

// SessionConsumer names the durable consumer through which a session's streamer reads the log.
func SessionConsumer(id SessionID) string { return "s-" + string(id) }
