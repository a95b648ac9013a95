package projections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/projections"
)

// The rows of gateway-api.md, section 9, on how long a session waits. The script's n-th event comes n seconds after begin.
func TestDeadline(t *testing.T) {
	up := []step{joined(peer1, 1), claimed(1), launched(), ready()} // events 2 to 5
	gone := []step{connected(peer1), disconnected(peer1, "left")}   // 6 and 7
	for _, c := range []struct {
		name  string
		steps []step
		kind  projections.DeadlineKind // empty: none
		at    time.Time
		by    string
	}{
		{name: "unknown"},
		{name: "in the queue", steps: []step{created()}, kind: projections.DeadlineQueue, at: at(1).Add(5 * time.Minute), by: "queue"},
		{name: "in the queue, whatever idle time", steps: []step{created(idle(0))}, kind: projections.DeadlineQueue, at: at(1).Add(5 * time.Minute), by: "queue"},
		{name: "claimed", steps: []step{created(), claimed(1)}, kind: projections.DeadlineLaunch, at: at(2).Add(90 * time.Second), by: "launch_deadline"},
		{name: "being launched counts from the claim", steps: []step{created(), claimed(1), launched()}, kind: projections.DeadlineLaunch, at: at(2).Add(90 * time.Second), by: "launch_deadline"},
		{name: "being launched, whatever idle time", steps: []step{created(idle(0)), claimed(1), launched()}, kind: projections.DeadlineLaunch, at: at(2).Add(90 * time.Second), by: "launch_deadline"},
		{name: "the next attempt has its own", steps: []step{created(), claimed(1), launched(), requeued("late"), claimed(2)}, kind: projections.DeadlineLaunch, at: at(5).Add(90 * time.Second), by: "launch_deadline"},
		{name: "deleted while it is launched", steps: []step{created(), claimed(1), terminating("deleted")}},
		{name: "a share is no reason to end", steps: append(append([]step{created(joinable)}, up...), connected(peer1), shared("s-1", at(9)))},
		{name: "back in the queue counts from then", steps: []step{created(), claimed(1), requeued("released")}, kind: projections.DeadlineQueue, at: at(3).Add(5 * time.Minute), by: "queue"},
		{name: "nobody yet", steps: append([]step{created()}, up...), kind: projections.DeadlineIdle, at: at(5).Add(5 * time.Minute), by: "nobody"},
		{name: "nobody yet, joinable", steps: append([]step{created(joinable)}, up...), kind: projections.DeadlineIdle, at: at(5).Add(5 * time.Minute), by: "nobody"},
		{name: "nobody yet, idle time given", steps: append([]step{created(idle(2))}, up...), kind: projections.DeadlineIdle, at: at(5).Add(2 * time.Minute), by: "idle"},
		{name: "nobody yet, idle time 0", steps: append([]step{created(idle(0))}, up...)},
		{name: "nobody yet, somebody was let in later", steps: append(append([]step{created()}, up...), joined(peer2, 2)), kind: projections.DeadlineIdle, at: at(6).Add(5 * time.Minute), by: "nobody"},
		{name: "a refused client does not count", steps: append(append([]step{created()}, up...), disconnected(peer1, "refused")), kind: projections.DeadlineIdle, at: at(5).Add(5 * time.Minute), by: "nobody"},
		{name: "streaming", steps: append(append([]step{created()}, up...), connected(peer1))},
		{name: "left, not joinable", steps: append(append([]step{created()}, up...), gone...), kind: projections.DeadlineIdle, at: at(7).Add(10 * time.Second), by: "client_left"},
		{name: "left, joinable", steps: append(append([]step{created(joinable)}, up...), gone...), kind: projections.DeadlineIdle, at: at(7).Add(30 * time.Minute), by: "idle"},
		{name: "left, idle time given", steps: append(append([]step{created(idle(3))}, up...), gone...), kind: projections.DeadlineIdle, at: at(7).Add(3 * time.Minute), by: "idle"},
		{name: "left, joinable, idle time given", steps: append(append([]step{created(joinable, idle(3))}, up...), gone...), kind: projections.DeadlineIdle, at: at(7).Add(3 * time.Minute), by: "idle"},
		{name: "left, idle time 0", steps: append(append([]step{created(joinable, idle(0))}, up...), gone...)},
		{name: "came back within the grace", steps: append(append(append([]step{created()}, up...), gone...), connected(peer1))},
		{name: "the timer starts anew each time", steps: append(append(append([]step{created(joinable)}, up...), gone...), joined(peer2, 2), connected(peer2), disconnected(peer2, "lost")), kind: projections.DeadlineIdle, at: at(10).Add(30 * time.Minute), by: "idle"},
		{name: "displaced", steps: append(append([]step{created(joinable)}, up...), connected(peer1), joined(peer2, 2), disconnected(peer1, "displaced")), kind: projections.DeadlineIdle, at: at(8).Add(30 * time.Minute), by: "idle"},
		{name: "terminating", steps: append(append([]step{created()}, up...), terminating("deleted"))},
		{name: "terminated", steps: []step{created(), expired("queue")}},
		{name: "failed", steps: []step{created(), claimed(1), failed("crash")}},
		{name: "started again", steps: []step{created(), claimed(1), failed("crash"), claimed(2), launchedAs(2), ready()}, kind: projections.DeadlineIdle, at: at(6).Add(5 * time.Minute), by: "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := fold(script(c.steps...)).Deadline()
			require.Equal(t, c.kind != "", ok)
			require.Equal(t, c.kind, d.Kind)
			require.Equal(t, c.by, d.By)
			require.True(t, d.At.Equal(c.at), "%s, not %s", c.at, d.At)
			require.Equal(t, ok, d.Reason != "", "people want a reason")
		})
	}
}

func TestReasonsReadWell(t *testing.T) {
	for minutes, want := range map[int]string{1: "no client for 1 minute", 90: "no client for 90 minutes"} {
		d, ok := fold(script(created(idle(minutes)), claimed(1), launched(), ready())).Deadline()
		require.True(t, ok)
		require.Equal(t, want, d.Reason)
	}
	d, ok := fold(script(created(), claimed(2))).Deadline()
	require.True(t, ok)
	require.Equal(t, "attempt 2 of 3: agent agent-1 had no streamer ready within 90 seconds", d.Reason)
}

// A session has one deadline for its shares: that of the one that expires first.
func TestShareDeadline(t *testing.T) {
	up := []step{created(), joined(peer1, 1), claimed(1), launched(), ready()}
	early, late := begin.Add(time.Hour), begin.Add(2*time.Hour)
	for _, c := range []struct {
		name  string
		steps []step
		at    time.Time // zero: none
	}{
		{name: "none"},
		{name: "one", steps: []step{shared("s-1", early)}, at: early},
		{name: "the first of two", steps: []step{shared("s-1", late), shared("s-2", early)}, at: early},
		{name: "moved back", steps: []step{shared("s-1", early), shared("s-1", late)}, at: late},
		{name: "moved forward", steps: []step{shared("s-1", late), shared("s-1", early)}, at: early},
		{name: "the other is left", steps: []step{shared("s-1", early), shared("s-2", late), shareRevoked("s-1")}, at: late},
		{name: "all revoked", steps: []step{shared("s-1", early), shareRevoked("s-1")}},
		{name: "while it is deleted", steps: []step{shared("s-1", early), terminating("deleted")}, at: early},
		{name: "while it is in the queue again", steps: []step{shared("s-1", early), requeued("late")}, at: early},
		{name: "ended", steps: []step{shared("s-1", early), terminated("exit")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := fold(script(append(append([]step{}, up...), c.steps...)...)).ShareDeadline()
			require.Equal(t, !c.at.IsZero(), ok)
			if ok {
				require.Equal(t, projections.DeadlineShare, d.Kind)
				require.True(t, d.At.Equal(c.at), "%s, not %s", c.at, d.At)
			}
		})
	}
}

func TestDeadlineSubjects(t *testing.T) {
	on, due := projections.DeadlineSubjects(region, session, projections.DeadlineIdle)
	require.Equal(t, "deadlines.at.session.local."+string(session)+".idle", on)
	require.Equal(t, "deadlines.due.session.local."+string(session)+".idle", due)
	on, due = projections.AccountDeadlineSubjects("kim")
	require.Equal(t, "deadlines.at.account.kim", on)
	require.Equal(t, "deadlines.due.account.kim", due)
}
