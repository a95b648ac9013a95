package verify

import (
	"fmt"
	"slices"

	"streamstack/events"
	"streamstack/projections"
)

// Rule names what is broken; stable for programs.
type Rule string

// The rules.
const (
	// RuleProvenance: each event was appended by whom its subject names, and says nothing else of itself.
	RuleProvenance Rule = "provenance"
	// RuleActor: each event is one that its actor may append (design.md, "One session, as events").
	RuleActor Rule = "actor"
	// RuleCreation: a session's history begins with its one creation.
	RuleCreation Rule = "creation"
	// RuleClaim: one claim at a time, attempts are counted from 1, and only who holds the session speaks of its instance.
	RuleClaim Rule = "claim"
	// RuleEnding: exactly one ending a launch; only a session that failed begins anew, by a claim.
	RuleEnding Rule = "ending"
	// RuleOrder: no step before the one that it needs.
	RuleOrder Rule = "order"
)

// Breach is one event that must not stand where it does, or an ending that is missing.
type Breach struct {
	Rule    Rule             `json:"rule"`
	Session events.SessionID `json:"session"`
	// Sequence is the event's; of a missing ending the session's last.
	Sequence events.Seq `json:"sequence"`
	// Event is actor.name; empty where an ending is missing.
	Event string `json:"event,omitempty"`
	Text  string `json:"text"` // for people
}

// String is a line for people.
func (b Breach) String() string {
	if b.Event == "" {
		return fmt.Sprintf("session %s, after event %d: %s (rule: %s)", b.Session, b.Sequence, b.Text, b.Rule)
	}
	return fmt.Sprintf("session %s, event %d %s: %s (rule: %s)", b.Session, b.Sequence, b.Event, b.Text, b.Rule)
}

// history is what the rules look at: the session before an event, and what its fold has no need of.
type history struct {
	projections.Session
	launched bool            // ever
	peers    []events.PeerID // that were let in
}

// objection is why an event may not follow a state; the zero one means that it may.
type objection struct {
	rule Rule
	text string
}

func object(r Rule, format string, args ...any) objection {
	return objection{r, fmt.Sprintf(format, args...)}
}

// step is what a rule is about.
type step struct {
	actor events.Actor
	name  events.Name
}

// rules say what must have been before an event. Events that expire have none.
var rules = map[step]func(history, events.Event) objection{
	{events.Gateway, events.Joined}:        of(joined),
	{events.Gateway, events.ShareRevoked}:  of(shareRevoked),
	{events.Gateway, events.Terminating}:   terminating,
	{events.Gateway, events.Requeued}:      of(requeued),
	{events.Gateway, events.Expired}:       expired,
	{events.Gateway, events.AgentLost}:     of(agentLost),
	{events.Agent, events.Claimed}:         of(claimed),
	{events.Agent, events.Launched}:        of(launchedNow),
	{events.Agent, events.AttemptFailed}:   of(held[events.FailedData]),
	{events.Agent, events.Terminated}:      of(held[events.EndedData]),
	{events.Agent, events.Failed}:          of(held[events.FailedData]),
	{events.Streamer, events.Ready}:        of(readyNow),
	{events.Streamer, events.Connected}:    of(connected),
	{events.Streamer, events.Disconnected}: of(disconnected),
	{events.Streamer, events.Resized}:      of(resized),
}

// of makes a rule of one on an event's data; data that cannot be read is a breach itself.
func of[T any](rule func(history, T) objection) func(history, events.Event) objection {
	return func(h history, e events.Event) objection {
		var d T
		if err := e.Decode(&d); err != nil {
			return object(RuleProvenance, "its data cannot be read: %v", err)
		}
		return rule(h, d)
	}
}

func joined(h history, d events.JoinedData) objection {
	switch {
	case h.Ended(), h.Status == projections.StatusTerminating:
		return object(RuleOrder, "a client was let in when the session was %s", h.Status)
	case d.Role == events.RoleViewer && d.Generation != h.Watched+1:
		return object(RuleOrder, "viewer %d follows viewer %d", d.Generation, h.Watched)
	case d.Role != events.RoleViewer && d.Generation != h.Generation+1:
		return object(RuleOrder, "generation %d follows generation %d", d.Generation, h.Generation)
	}
	return objection{}
}

func shareRevoked(h history, d events.ShareRevokedData) objection {
	if !slices.ContainsFunc(h.Shares, func(s projections.Share) bool { return s.ID == d.ID }) {
		return object(RuleOrder, "share %s does not stand", d.ID)
	}
	return objection{}
}

func terminating(h history, _ events.Event) objection {
	switch {
	case h.Status == projections.StatusTerminating:
		return object(RuleOrder, "it was asked for already")
	case h.Gone():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	}
	return objection{}
}

func requeued(h history, d events.RequeuedData) objection {
	switch {
	case h.Ended():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case !h.Claimed:
		return object(RuleClaim, "nobody held the session")
	case d.Attempt != h.Attempt:
		return object(RuleClaim, "it is about attempt %d, at attempt %d", d.Attempt, h.Attempt)
	}
	return objection{}
}

func expired(h history, _ events.Event) objection {
	switch {
	case h.Ended():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case h.Claimed:
		return object(RuleClaim, "agent %s held the session", h.Agent)
	}
	return objection{}
}

func agentLost(h history, d events.EndedData) objection {
	switch {
	case h.Ended():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case !h.Claimed:
		return object(RuleClaim, "nobody held the session")
	case d.Agent != h.Agent:
		return object(RuleClaim, "it is about agent %q; agent %s held the session", d.Agent, h.Agent)
	}
	return objection{}
}

func claimed(h history, d events.ClaimedData) objection {
	switch {
	case h.Claimed:
		return object(RuleClaim, "agent %s claimed what agent %s held", d.Agent, h.Agent)
	case h.Ended() && h.Status != projections.StatusError:
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case h.Status == projections.StatusTerminating:
		return object(RuleClaim, "agent %s claimed a session that was to end", d.Agent)
	case d.Agent == "":
		return object(RuleClaim, "no agent is named")
	case d.Attempt != h.Attempt+1:
		return object(RuleClaim, "attempt %d follows attempt %d", d.Attempt, h.Attempt)
	}
	return objection{}
}

// held is the rule of what only the agent that holds the session may say, about its own attempt.
func held[T events.LaunchedData | events.FailedData | events.EndedData](h history, d T) objection {
	agent, attempt := about(d)
	switch {
	case h.Ended():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case !h.Claimed:
		return object(RuleClaim, "nobody held the session")
	case agent != h.Agent:
		return object(RuleClaim, "agent %q speaks of what agent %s held", agent, h.Agent)
	case attempt != h.Attempt:
		return object(RuleClaim, "it is about attempt %d, at attempt %d", attempt, h.Attempt)
	}
	return objection{}
}

// launchedNow holds for an agent's launched: once an attempt.
func launchedNow(h history, d events.LaunchedData) objection {
	if o := held(h, d); o.rule != "" {
		return o
	}
	if h.Instance != "" {
		return object(RuleOrder, "the attempt had launched %s", h.Instance)
	}
	return objection{}
}

// about is which claim an agent's event is about.
func about(data any) (events.AgentID, int) {
	switch d := data.(type) {
	case events.LaunchedData:
		return d.Agent, d.Attempt
	case events.FailedData:
		return d.Agent, d.Attempt
	case events.EndedData:
		return d.Agent, d.Attempt
	default:
		return "", 0
	}
}

// launched holds for what a streamer says: an agent lets it go after it has appended launched. It may come late, so it is
// enough that the session was launched ever.
func launched(h history) objection {
	if !h.launched {
		return object(RuleOrder, "no agent had launched the session")
	}
	return objection{}
}

func readyNow(h history, _ events.ReadyData) objection { return launched(h) }

func connected(h history, d events.ConnectedData) objection {
	switch {
	case !h.launched:
		return launched(h)
	case !slices.Contains(h.peers, d.Peer):
		return object(RuleOrder, "peer %q was never let in", d.Peer)
	}
	return objection{}
}

func disconnected(h history, d events.DisconnectedData) objection {
	switch {
	case !slices.Contains(h.peers, d.Peer):
		return object(RuleOrder, "peer %q was never let in", d.Peer)
	}
	return objection{}
}

// resized may stand between two peers, never within one.
func resized(h history, d events.ResizedData) objection {
	switch {
	case h.Connected != "" && d.Peer == h.Connected:
		return object(RuleOrder, "the picture changed its size under peer %s", h.Connected)
	}
	return launched(h)
}
