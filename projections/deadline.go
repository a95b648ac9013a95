package projections

import (
	"fmt"
	"time"

	"streamstack/events"
)

// The times of gateway-api.md, section 9, where the request names none.
const (
	// QueueTime is how long a session may wait for an agent.
	QueueTime = 5 * time.Minute
	// NobodyTime is how long an active session waits for its first client.
	NobodyTime = 5 * time.Minute
	// JoinableTime is how long a joinable session waits for the next client.
	JoinableTime = 30 * time.Minute
	// LeaveGrace is how long one that is not joinable waits for its client to come back from a network change: the SDK
	// keeps a broken stream for 10 s.
	LeaveGrace = 10 * time.Second
)

// DeadlineKind is what a deadline is about, one NATS token.
type DeadlineKind string

// The kinds of deadlines of a session.
const (
	DeadlineQueue DeadlineKind = "queue" // nobody claimed it
	DeadlineIdle  DeadlineKind = "idle"  // nobody streams from it
)

// Deadline is when a session ends if nothing happens, and why. It is a function of the state alone, so it can be asked
// again when it fires: by then the state may have moved on.
type Deadline struct {
	Kind DeadlineKind
	At   time.Time
	// By is the short form for gateway.terminating, Reason the one for people.
	By, Reason string
}

// Deadline returns the session's deadline; ok is false when it has none.
func (s Session) Deadline() (d Deadline, ok bool) {
	switch {
	case !s.Live() || s.Status == StatusTerminating:
		return Deadline{}, false
	case !s.Claimed:
		return Deadline{DeadlineQueue, s.QueuedSince.Add(QueueTime), "queue", fmt.Sprintf("no agent took the session within %s", words(QueueTime))}, true
	case s.Ready == nil || s.Connected != "":
		return Deadline{}, false // the agent watches over a launch; a stream has no deadline
	}
	wait, by, reason := s.patience()
	if wait <= 0 {
		return Deadline{}, false
	}
	return Deadline{DeadlineIdle, s.QuietSince.Add(wait), by, reason}, true
}

// patience is how long an active session waits without a client; 0 means for ever.
func (s Session) patience() (wait time.Duration, by, reason string) {
	switch {
	case s.IdleTimeMin != nil:
		wait = time.Duration(*s.IdleTimeMin) * time.Minute
		return wait, "idle", fmt.Sprintf("no client for %s", words(wait))
	case !s.Ever:
		return NobodyTime, "nobody", fmt.Sprintf("nobody connected within %s", words(NobodyTime))
	case s.Joinable:
		return JoinableTime, "idle", fmt.Sprintf("no client for %s", words(JoinableTime))
	default:
		return LeaveGrace, "client_left", "the client left"
	}
}

// words prints whole minutes as people say them.
func words(d time.Duration) string {
	if m := int(d / time.Minute); m == 1 {
		return "1 minute"
	} else if m > 1 {
		return fmt.Sprintf("%d minutes", m)
	}
	return d.String()
}

// DeadlineSubjects are where a session's deadline is scheduled, and where it arrives when it is due.
func DeadlineSubjects(r events.Region, id events.SessionID, k DeadlineKind) (at, due string) {
	tail := string(r) + "." + string(id) + "." + string(k)
	return "deadlines.at.session." + tail, "deadlines.due.session." + tail
}
