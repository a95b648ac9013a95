package projections_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/projections"
)

// invalid says what is wrong with a state; empty for a sound one.
func invalid(s projections.Session) string {
	if !s.Known() {
		if s.Status != "" || s.Ended() || s.Live() {
			return "an unknown session has a status"
		}
		return ""
	}
	_, due := s.Deadline()
	final := s.Status == projections.StatusError || s.Status == projections.StatusTerminated
	switch {
	case s.Ended() != final:
		return fmt.Sprintf("ending %q in status %s", s.Ending, s.Status)
	case s.Ended() && (s.Claimed || s.Connected != "" || s.Instance != "" || s.Ready != nil):
		return "an ended session still has an instance"
	case s.Status == projections.StatusActive && s.Ready == nil:
		return "active without a streamer"
	case s.Connected != "" && !s.Ever:
		return "connected and never was"
	case due && (!s.Live() || s.Status == projections.StatusTerminating || (s.Claimed && s.Connected != "")):
		return "a deadline where none belongs"
	case !due && s.Live() && s.Status == projections.StatusCreated && !s.Claimed:
		return "a session in the queue without a deadline"
	case s.Viewers != nil && (len(s.Viewers) == 0 || s.Ended()):
		return "viewers where there can be none"
	case s.Watching() > 0 && !s.Ever && s.Connected != "":
		return "a viewer counts as the client"
	case s.Last < s.First:
		return "the last event came before the first"
	case s.CreatedAt.IsZero() || s.ChangedAt.Before(s.CreatedAt) || s.QueuedSince.IsZero():
		return "times are missing"
	}
	return ""
}

// drawStep draws any step, sensible here or not.
func drawStep(t *rapid.T) step {
	peer := rapid.SampledFrom([]events.PeerID{peer1, peer2, ""}).Draw(t, "peer")
	share := rapid.SampledFrom([]events.ShareID{"s-1", "s-2", ""}).Draw(t, "share")
	why := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "why")
	return rapid.SampledFrom([]step{
		created(), created(joinable), created(kept), created(idle(0)), created(idle(3)), joined(peer, 1), terminating(why), requeued(why),
		expired(why), agentLost(why), claimed(1), claimed(2), launched(), attemptFailed(why), terminated(why), failed(why),
		ready(), connected(peer), disconnected(peer, why), shortLived(events.Gateway, events.ExtraData),
		shortLived(events.Streamer, events.Offer), shortLived(events.Client, events.Answer), shortLived(events.Streamer, events.Candidate),
		{events.Client, events.Attached, events.AttachedData{Peer: peer}}, {events.Client, events.Detached, events.DetachedData{Peer: peer}},
		{events.Streamer, "telepathy", map[string]int{"x": 1}}, {events.Gateway, events.Shared, nil},
		watching(peer, 1), watching("viewer-1", 1), watching("viewer-2", 2), connected("viewer-1"), disconnected("viewer-1", why), disconnected("viewer-2", why),
		shared(share, at(100)), shared(share, at(50)), shareRevoked(share),
	}).Draw(t, "step")
}

func shortLived(a events.Actor, n events.Name) step {
	return step{a, n, events.SDPData{Peer: peer1, SDP: "v=0"}}
}

// drawScript draws a life; mostly one that begins with its creation.
func drawScript(t *rapid.T) []events.Event {
	steps := rapid.SliceOfN(rapid.Custom(drawStep), 0, 40).Draw(t, "steps")
	if rapid.IntRange(0, 9).Draw(t, "begun") > 0 {
		steps = append([]step{created(joinable)}, steps...)
	}
	list := script(steps...)
	for i := range list {
		if rapid.IntRange(0, 19).Draw(t, "quarantined") == 0 {
			list[i].Quarantine = "ce-source disagrees with the subject"
		}
	}
	return list
}

// Whatever comes in whatever order, every state on the way is a valid one, and only one ending is taken for each launch.
func TestEveryPrefixIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s projections.Session
		for _, e := range drawScript(t) {
			before := s
			s = s.Apply(e)
			if what := invalid(s); what != "" {
				t.Fatalf("after %s.%s at %d: %s", e.Actor, e.Name, e.Sequence, what)
			}
			if before.Ended() && s.Ended() && before.Ending != s.Ending {
				t.Fatalf("%s was taken after %s", s.Ending, before.Ending)
			}
			if before.Ended() && s.Live() && (e.Name != events.Claimed || before.Status != projections.StatusError) {
				t.Fatalf("%s.%s revived a session in status %s", e.Actor, e.Name, before.Status)
			}
		}
	})
}

// Redelivery changes nothing: the same event twice, or old ones again at any time.
func TestRedeliveryChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawScript(t)
		want, got := fold(list), projections.Session{}
		for i, e := range list {
			got = got.Apply(e).Apply(e)
			for range rapid.IntRange(0, 2).Draw(t, "again") {
				got = got.Apply(list[rapid.IntRange(0, i).Draw(t, "old")])
			}
		}
		require.Equal(t, want, got)
	})
}

// A state rebuilt after some or all short-lived events have expired is the same; so it is without those that a fold may
// not trust or does not know.
func TestNothingDependsOnWhatExpires(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawScript(t)
		var left, trusted []events.Event
		for _, e := range list {
			if !events.ShortLived(e.Name) || rapid.Bool().Draw(t, "still there") {
				left = append(left, e)
			}
			if e.Quarantine == "" && events.Known(e.Name) && !events.ShortLived(e.Name) {
				trusted = append(trusted, e)
			}
		}
		require.Equal(t, fold(list), fold(left))
		require.Equal(t, fold(list), fold(trusted))
	})
}

// The read model of all sessions holds what the folds of each say, however they are interleaved, and its totals add up.
func TestSessionsAgreeWithTheirFolds(t *testing.T) {
	ids := []events.SessionID{"s-1", "s-2", "s-3"}
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 0, 60).Draw(t, "steps")
		m, each := projections.NewSessions(), map[events.SessionID]projections.Session{}
		var list []events.Event
		gone := map[events.SessionID]bool{}
		for i, st := range steps {
			e := eventOf(rapid.SampledFrom(ids).Draw(t, "session"), i+1, st.actor, st.name, st.data)
			if gone[e.Session] && e.Name == events.Created {
				continue // an id is never used again
			}
			list = append(list, e)
			each[e.Session] = each[e.Session].Apply(e)
			m.Apply(e)
			m.Apply(list[rapid.IntRange(0, len(list)-1).Draw(t, "again")])
			gone[e.Session] = each[e.Session].Gone()
		}
		totals, shown := map[projections.Status]int{}, 0
		for id, s := range each {
			if !s.Known() {
				continue
			}
			totals[s.Status]++
			got, ok := m.Get(id)
			require.Equal(t, !s.Gone(), ok)
			if ok {
				shown++
				require.Equal(t, s, got)
			}
		}
		require.Len(t, m.List(), shown)
		for _, status := range []projections.Status{projections.StatusCreated, projections.StatusActive, projections.StatusError, projections.StatusTerminating, projections.StatusTerminated} {
			require.Equal(t, totals[status], m.Total(status), status)
		}
	})
}
