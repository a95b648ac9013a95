package projections

import (
	"fmt"
	"slices"
	"time"

	"streamstack/events"
)

// The times of gateway-api.md, section 9, where the request names none.
const (
	// QueueTime is how long a session may wait for an agent.
	QueueTime = 5 * time.Minute
	// LaunchTime is how long a claimed session may wait for its streamer. It is the watch over the watchmen: an agent gives
	// an instance 30 s to start and 30 s more to be ready, and says so when they have passed.
	LaunchTime = 90 * time.Second
	// NobodyTime is how long an active session waits for its first client.
	NobodyTime = 5 * time.Minute
	// JoinableTime is how long a joinable session waits for the next client.
	JoinableTime = 30 * time.Minute
	// LeaveGrace is how long one that is not joinable waits for its client to come back from a network change: the SDK
	// keeps a broken stream for 10 s.
	LeaveGrace = 10 * time.Second
)

// MaxAttempts is how often a session is claimed before one that does not come up is given up.
const MaxAttempts = 3

// DeadlineKind is what a deadline is about, one NATS token.
type DeadlineKind string

// The kinds of deadlines of a session.
const (
	DeadlineQueue  DeadlineKind = "queue"  // nobody claimed it
	DeadlineLaunch DeadlineKind = "launch" // it was claimed, and its streamer does not come
	DeadlineIdle   DeadlineKind = "idle"   // nobody streams from it
	DeadlineShare  DeadlineKind = "share"  // a share of it expires; all others are about the session itself
)

// Deadline is when a session ends, or goes back to the queue, if nothing happens, and why. It is a function of the state alone, so it can be asked
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
	case s.Ready == nil:
		return Deadline{DeadlineLaunch, s.ClaimedAt.Add(LaunchTime), "launch_deadline", fmt.Sprintf("attempt %d of %d: agent %s had no streamer ready within %s",
			s.Attempt, MaxAttempts, s.Agent, words(LaunchTime))}, true
	case s.Connected != "":
		return Deadline{}, false // a stream has no deadline
	}
	wait, by, reason := s.patience()
	if wait <= 0 {
		return Deadline{}, false
	}
	return Deadline{DeadlineIdle, s.QuietSince.Add(wait), by, reason}, true
}

// ShareDeadline returns when the first of the session's shares expires; ok is false when it has none.
func (s Session) ShareDeadline() (d Deadline, ok bool) {
	if s.Ended() || len(s.Shares) == 0 {
		return Deadline{}, false
	}
	first := slices.MinFunc(s.Shares, func(a, b Share) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	return Deadline{DeadlineShare, first.ExpiresAt, "share", events.ShareExpired}, true
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

// words prints whole minutes, or else seconds, as people say them.
func words(d time.Duration) string {
	if d%time.Minute != 0 {
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	}
	if m := int(d / time.Minute); m == 1 {
		return "1 minute"
	} else if m > 1 {
		return fmt.Sprintf("%d minutes", m)
	}
	return d.String()
}

// AccountDeadlineSubjects are the same for the expiry of an account's token.
func AccountDeadlineSubjects(name string) (at, due string) {
	return "deadlines.at.account." + name, "deadlines.due.account." + name
}

// DeadlineSubjects are where a session's deadline is scheduled, and where it arrives when it is due.
func DeadlineSubjects(r events.Region, id events.SessionID, k DeadlineKind) (at, due string) {
	tail := string(r) + "." + string(id) + "." + string(k)
	return "deadlines.at.session." + tail, "deadlines.due.session." + tail
}
