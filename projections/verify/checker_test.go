package verify

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// An event that is not of whom it says is a breach whatever it says, and changes nothing for those after it.
func TestQuarantined(t *testing.T) {
	t.Parallel()
	list := placed(t, one, 1, then(running(), terminatedBy("a", 1), terminatedBy("a", 1))...)
	forged := &list[len(list)-2]
	forged.Quarantine = "ce-source disagrees with the subject"
	breaches, s := check(t, Checker{Whole: true, MustEnd: true}, list)
	require.Equal(t, []Breach{{RuleProvenance, one, forged.Sequence, "agent.terminated", forged.Quarantine}}, breaches)
	require.Zero(t, s.Live)
}

// A session without an ending lives, unless it must not.
func TestMissingEnding(t *testing.T) {
	t.Parallel()
	list := placed(t, one, 1, running()...)
	breaches, s := check(t, Checker{Whole: true}, list)
	require.Empty(t, breaches)
	require.Equal(t, 1, s.Live)
	breaches, _ = check(t, Checker{Whole: true, MustEnd: true}, list)
	require.Equal(t, []Breach{{RuleEnding, one, list[len(list)-1].Sequence, "", "the session has no ending; its status is active"}}, breaches)
}

// Reading that begins in the middle cannot blame sessions for what came before.
func TestPartial(t *testing.T) {
	t.Parallel()
	list := placed(t, one, 1, then(running(), terminatedBy("a", 1), terminatedBy("a", 1))...)[2:]
	breaches, s := check(t, Checker{MustEnd: true}, list)
	require.Empty(t, breaches)
	require.Equal(t, 1, s.Partial)
	require.Contains(t, s.String(), "1 sessions began before what was read")
}

// lives draws several sessions' histories as lawful components make them, mixed.
func lives(t *rapid.T) (list []events.Event) {
	n := rapid.IntRange(1, 4).Draw(t, "sessions")
	var all [][]say
	for range n {
		steps, peers, attempt := []say{created(), letIn("p1", 1)}, 1, 0
		for ended := false; !ended; {
			attempt++
			a := rapid.SampledFrom([]events.AgentID{"a", "b"}).Draw(t, "agent")
			steps = append(steps, claimedBy(a, attempt))
			if rapid.Bool().Draw(t, "launches") {
				steps = append(steps, launchedBy(a, attempt), ready())
				for range rapid.IntRange(0, 3).Draw(t, "clients") {
					p := events.PeerID(fmt.Sprint("p", peers+1))
					peers++
					steps = append(steps, letIn(p, peers), connectedTo(p), disconnectedFrom(p))
				}
			}
			switch rapid.IntRange(0, 4).Draw(t, "how") {
			case 0:
				steps = append(steps, attemptFailed(a, attempt))
			case 1:
				steps = append(steps, requeuedAt(attempt))
			case 2:
				steps = append(steps, failedBy(a, attempt))
				ended = rapid.Bool().Draw(t, "for good")
			case 3:
				steps = append(steps, toEnd(), terminatedBy(a, attempt))
				ended = true
			default:
				steps = append(steps, say{events.Gateway, events.AgentLost, events.EndedData{Agent: a, Attempt: attempt}})
				ended = true
			}
		}
		all = append(all, steps)
	}
	ids := make([]events.SessionID, n)
	for i := range ids {
		ids[i] = events.SessionID(uuid.NewString())
	}
	for seq := 1; ; seq++ {
		open := slices.DeleteFunc(rapid.Permutation(indexes(n)).Draw(t, "next"), func(i int) bool { return len(all[i]) == 0 })
		if len(open) == 0 {
			return list
		}
		i := open[0]
		list = append(list, placed(t, ids[i], seq, all[i][0])...)
		all[i] = all[i][1:]
	}
}

func indexes(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// What lawful components append has no breach; the same with one decision doubled, or one creation lost, has one.
func TestLawfulHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := lives(t)
		breaches, _ := check(t, Checker{Whole: true, MustEnd: true}, list)
		if len(breaches) > 0 {
			t.Fatalf("a lawful history has a breach: %s", breaches[0])
		}
		i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
		e := list[i]
		if e.Actor == events.Streamer {
			return // what a streamer says again is no decision
		}
		if e.Name == events.Created && rapid.Bool().Draw(t, "lost") {
			list = slices.Delete(slices.Clone(list), i, i+1)
		} else {
			list = slices.Insert(slices.Clone(list), i, e)
		}
		for i := range list {
			list[i].Sequence = events.Seq(i + 1)
		}
		if breaches, _ = check(t, Checker{Whole: true}, list); len(breaches) == 0 {
			t.Fatalf("%s.%s doubled or lost, and nobody noticed", e.Actor, e.Name)
		}
	})
}
