package verify

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

const (
	region events.Region    = "local"
	one    events.SessionID = "0192f1c2-5d3e-4000-8000-000000000001"
	peer   events.PeerID    = "p1"
)

// say is an event without its place.
type say struct {
	actor events.Actor
	name  events.Name
	data  any
}

// placed makes events of a session as they are read, from a sequence on.
func placed(t require.TestingT, id events.SessionID, from int, steps ...say) (list []events.Event) {
	for i, s := range steps {
		raw, err := json.Marshal(s.data)
		require.NoError(t, err)
		at := time.Unix(int64(from+i), 0)
		list = append(list, events.Event{
			Subject: events.Subject{Region: region, Session: id, Actor: s.actor, Name: s.name}.String(), Type: events.TypeOf(s.name),
			Region: region, Session: id, Actor: s.actor, Name: s.name, Sequence: events.Seq(from + i), Time: at, Stored: at, Data: raw,
		})
	}
	return list
}

// The steps of a life.
func created() say {
	return say{events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true}}
}

func letIn(p events.PeerID, n int) say {
	return say{events.Gateway, events.Joined, events.JoinedData{Peer: p, Generation: n}}
}

func claimedBy(a events.AgentID, n int) say {
	return say{events.Agent, events.Claimed, events.ClaimedData{Agent: a, Attempt: n}}
}

func launchedBy(a events.AgentID, n int) say {
	return say{events.Agent, events.Launched, events.LaunchedData{Agent: a, Attempt: n, Instance: "i"}}
}

func attemptFailed(a events.AgentID, n int) say {
	return say{events.Agent, events.AttemptFailed, events.FailedData{Agent: a, Attempt: n}}
}

func failedBy(a events.AgentID, n int) say {
	return say{events.Agent, events.Failed, events.FailedData{Agent: a, Attempt: n}}
}

func terminatedBy(a events.AgentID, n int) say {
	return say{events.Agent, events.Terminated, events.EndedData{Agent: a, Attempt: n}}
}

func requeuedAt(n int) say {
	return say{events.Gateway, events.Requeued, events.RequeuedData{Attempt: n}}
}

func toEnd() say { return say{events.Gateway, events.Terminating, events.TerminatingData{By: "idle"}} }

func ready() say { return say{events.Streamer, events.Ready, events.ReadyData{}} }

func connectedTo(p events.PeerID) say {
	return say{events.Streamer, events.Connected, events.ConnectedData{Peer: p}}
}

func disconnectedFrom(p events.PeerID) say {
	return say{events.Streamer, events.Disconnected, events.DisconnectedData{Peer: p, Reason: events.ReasonLeft}}
}

// running are the steps to a session that streams to peer.
func running() []say {
	return []say{created(), letIn(peer, 1), claimedBy("a", 1), launchedBy("a", 1), ready(), connectedTo(peer)}
}

// then is a copy with more steps.
func then(steps []say, more ...say) []say { return append(append([]say{}, steps...), more...) }

// check gives the breaches of a whole log, and the count.
func check(t require.TestingT, c Checker, list []events.Event) (breaches []Breach, s Summary) {
	c.Report = func(b Breach) error {
		breaches = append(breaches, b)
		return nil
	}
	for _, e := range list {
		require.NoError(t, c.Add(e))
	}
	s, err := c.Finish()
	require.NoError(t, err)
	require.Len(t, breaches, s.Breaches)
	return breaches, s
}

// Each of these lives is as it should be, to its ending.
func TestLawfulLives(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]say{
		"ended by its agent":   then(running(), disconnectedFrom(peer), toEnd(), terminatedBy("a", 1)),
		"failed":               then(running(), failedBy("a", 1)),
		"never claimed":        {created(), letIn(peer, 1), {events.Gateway, events.Expired, events.EndedData{}}},
		"lost":                 then(running(), say{events.Gateway, events.AgentLost, events.EndedData{Agent: "a", Attempt: 1}}),
		"second attempt":       {created(), claimedBy("a", 1), attemptFailed("a", 1), claimedBy("b", 2), launchedBy("b", 2), ready(), terminatedBy("b", 2)},
		"requeued":             {created(), claimedBy("a", 1), launchedBy("a", 1), requeuedAt(1), ready(), claimedBy("b", 2), launchedBy("b", 2), failedBy("b", 2)},
		"failed, begun anew":   then(running(), failedBy("a", 1), claimedBy("a", 2), launchedBy("a", 2), ready(), terminatedBy("a", 2)),
		"failed, deleted":      then(running(), failedBy("a", 1), toEnd()),
		"two clients":          then(running(), letIn("p2", 2), disconnectedFrom(peer), connectedTo("p2"), disconnectedFrom("p2"), terminatedBy("a", 1)),
		"late words":           then(running(), terminatedBy("a", 1), disconnectedFrom(peer), say{events.Client, events.Detached, events.DetachedData{Peer: peer}}, say{events.Gateway, events.ShareClosed, nil}),
		"an event of tomorrow": then(running(), say{events.Streamer, "telepathy", 1}, terminatedBy("a", 1)),
		"resized between two":  then(running(), disconnectedFrom(peer), letIn("p2", 2), say{events.Streamer, events.Resized, events.ResizedData{Peer: "p2"}}, failedBy("a", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			breaches, s := check(t, Checker{Whole: true, MustEnd: true}, placed(t, one, 1, steps...))
			require.Empty(t, breaches)
			require.Equal(t, 1, s.Sessions)
			require.Zero(t, s.Live)
		})
	}
}

// Each breach is found at its event, under its rule, and nothing else is.
func TestBreaches(t *testing.T) {
	t.Parallel()
	over := then(running(), terminatedBy("a", 1))
	for name, x := range map[string]struct {
		steps []say
		rule  Rule
	}{
		"created twice":               {then(running(), created()), RuleCreation},
		"no creation":                 {[]say{claimedBy("a", 1)}, RuleCreation},
		"created after the end":       {then(over, created()), RuleEnding},
		"two claims":                  {then(running(), claimedBy("b", 2)), RuleClaim},
		"claimed again by the same":   {then(running(), claimedBy("a", 2)), RuleClaim},
		"attempt left out":            {[]say{created(), claimedBy("a", 2)}, RuleClaim},
		"attempt counted twice":       {[]say{created(), claimedBy("a", 1), attemptFailed("a", 1), claimedBy("b", 1)}, RuleClaim},
		"claimed by nobody":           {[]say{created(), claimedBy("", 1)}, RuleClaim},
		"claimed when it was to end":  {[]say{created(), toEnd(), claimedBy("a", 1)}, RuleClaim},
		"claimed after the end":       {then(over, claimedBy("a", 2)), RuleEnding},
		"launched without a claim":    {[]say{created(), launchedBy("a", 1)}, RuleClaim},
		"launched by another":         {[]say{created(), claimedBy("a", 1), launchedBy("b", 1)}, RuleClaim},
		"launch of another attempt":   {[]say{created(), claimedBy("a", 1), launchedBy("a", 2)}, RuleClaim},
		"launched twice":              {[]say{created(), claimedBy("a", 1), launchedBy("a", 1), launchedBy("a", 1)}, RuleOrder},
		"ended by another":            {then(running(), terminatedBy("b", 1)), RuleClaim},
		"two endings":                 {then(over, terminatedBy("a", 1)), RuleEnding},
		"two endings of two":          {then(running(), failedBy("a", 1), say{events.Gateway, events.AgentLost, events.EndedData{Agent: "a"}}), RuleEnding},
		"expired after a failure":     {then(running(), failedBy("a", 1), say{events.Gateway, events.Expired, events.EndedData{}}), RuleEnding},
		"expired while held":          {then(running(), say{events.Gateway, events.Expired, events.EndedData{}}), RuleClaim},
		"another agent lost":          {then(running(), say{events.Gateway, events.AgentLost, events.EndedData{Agent: "b"}}), RuleClaim},
		"lost by nobody":              {[]say{created(), {events.Gateway, events.AgentLost, events.EndedData{Agent: "b"}}}, RuleClaim},
		"requeued by nobody":          {[]say{created(), requeuedAt(0)}, RuleClaim},
		"requeued at another attempt": {[]say{created(), claimedBy("a", 1), requeuedAt(2)}, RuleClaim},
		"requeued after the end":      {then(running(), failedBy("a", 1), requeuedAt(1)), RuleEnding},
		"asked to end twice":          {then(running(), toEnd(), toEnd()), RuleOrder},
		"asked to end after the end":  {then(over, toEnd()), RuleEnding},
		"let in after a failure":      {then(running(), failedBy("a", 1), letIn("p2", 2)), RuleOrder},
		"let in at its end":           {then(running(), toEnd(), letIn("p2", 2)), RuleOrder},
		"generation left out":         {then(running(), letIn("p2", 3)), RuleOrder},
		"ready before its launch":     {[]say{created(), claimedBy("a", 1), ready()}, RuleOrder},
		"connected before its launch": {[]say{created(), letIn(peer, 1), connectedTo(peer)}, RuleOrder},
		"a stranger connected":        {then(running(), connectedTo("p9")), RuleOrder},
		"a stranger disconnected":     {then(running(), disconnectedFrom("p9")), RuleOrder},
		"resized under a client":      {then(running(), say{events.Streamer, events.Resized, events.ResizedData{Peer: peer}}), RuleOrder},
		"a share that stands not":     {then(running(), say{events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: "s"}}), RuleOrder},
		"out of place":                {then(running(), say{events.Streamer, events.Claimed, events.ClaimedData{Agent: "b", Attempt: 2}}), RuleActor},
		"data of another kind":        {then(running(), say{events.Agent, events.Terminated, []int{1}}), RuleProvenance},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list := placed(t, one, 1, x.steps...)
			breaches, s := check(t, Checker{Whole: true}, list)
			require.Len(t, breaches, 1)
			last := list[len(list)-1]
			b := breaches[0]
			require.Equal(t, Breach{Rule: x.rule, Session: one, Sequence: last.Sequence, Event: fmt.Sprintf("%s.%s", last.Actor, last.Name), Text: b.Text}, b)
			require.NotEmpty(t, b.Text)
			require.Equal(t, len(list), s.Events)
		})
	}
}
