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
	{events.Gateway, events.Joined}:        joined,
	{events.Gateway, events.ShareRevoked}:  shareRevoked,
	{events.Gateway, events.Terminating}:   terminating,
	{events.Gateway, events.Requeued}:      requeued,
	{events.Gateway, events.Expired}:       expired,
	{events.Gateway, events.AgentLost}:     agentLost,
	{events.Agent, events.Claimed}:         claimed,
	{events.Agent, events.Launched}:        launchedNow,
	{events.Agent, events.AttemptFailed}:   held[events.FailedData],
	{events.Agent, events.Terminated}:      held[events.EndedData],
	{events.Agent, events.Failed}:          held[events.FailedData],
	{events.Streamer, events.Ready}:        launched,
	{events.Streamer, events.Connected}:    connected,
	{events.Streamer, events.Disconnected}: disconnected,
	{events.Streamer, events.Resized}:      resized,
}

func decode[T any](e events.Event) (v T, bad objection) {
	if err := e.Decode(&v); err != nil {
		return v, object(RuleProvenance, "its data cannot be read: %v", err)
	}
	return v, objection{}
}

func joined(h history, e events.Event) objection {
	d, bad := decode[events.JoinedData](e)
	switch {
	case bad.rule != "":
		return bad
	case h.Ended(), h.Status == projections.StatusTerminating:
		return object(RuleOrder, "a client was let in when the session was %s", h.Status)
	case d.Generation != h.Generation+1:
		return object(RuleOrder, "generation %d follows generation %d", d.Generation, h.Generation)
	}
	return objection{}
}

func shareRevoked(h history, e events.Event) objection {
	d, bad := decode[events.ShareRevokedData](e)
	if bad.rule != "" {
		return bad
	}
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

func requeued(h history, e events.Event) objection {
	d, bad := decode[events.RequeuedData](e)
	switch {
	case bad.rule != "":
		return bad
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

func agentLost(h history, e events.Event) objection {
	d, bad := decode[events.EndedData](e)
	switch {
	case bad.rule != "":
		return bad
	case h.Ended():
		return object(RuleEnding, "the session had ended by %s", h.Ending)
	case !h.Claimed:
		return object(RuleClaim, "nobody held the session")
	case d.Agent != h.Agent:
		return object(RuleClaim, "it is about agent %q; agent %s held the session", d.Agent, h.Agent)
	}
	return objection{}
}

func claimed(h history, e events.Event) objection {
	d, bad := decode[events.ClaimedData](e)
	switch {
	case bad.rule != "":
		return bad
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
func held[T events.LaunchedData | events.FailedData | events.EndedData](h history, e events.Event) objection {
	d, bad := decode[T](e)
	if bad.rule != "" {
		return bad
	}
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
func launchedNow(h history, e events.Event) objection {
	if o := held[events.LaunchedData](h, e); o.rule != "" {
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
func launched(h history, _ events.Event) objection {
	if !h.launched {
		return object(RuleOrder, "no agent had launched the session")
	}
	return objection{}
}

func connected(h history, e events.Event) objection {
	d, bad := decode[events.ConnectedData](e)
	switch {
	case bad.rule != "":
		return bad
	case !h.launched:
		return launched(h, e)
	case !slices.Contains(h.peers, d.Peer):
		return object(RuleOrder, "peer %q was never let in", d.Peer)
	}
	return objection{}
}

func disconnected(h history, e events.Event) objection {
	d, bad := decode[events.DisconnectedData](e)
	switch {
	case bad.rule != "":
		return bad
	case !slices.Contains(h.peers, d.Peer):
		return object(RuleOrder, "peer %q was never let in", d.Peer)
	}
	return objection{}
}

// resized may stand between two peers, never within one.
func resized(h history, e events.Event) objection {
	d, bad := decode[events.ResizedData](e)
	switch {
	case bad.rule != "":
		return bad
	case h.Connected != "" && d.Peer == h.Connected:
		return object(RuleOrder, "the picture changed its size under peer %s", h.Connected)
	}
	return launched(h, e)
}
