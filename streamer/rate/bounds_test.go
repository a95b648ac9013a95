package rate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const megabit = 1_000_000

// New bounds are told at the next look, up and down, however small the change, and once.
func TestBoundsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	target, err := NewTargeter(TargetConfig{Min: megabit, Start: 2 * megabit, Max: 3 * megabit, FPS: 30})
	require.NoError(t, err)
	now := time.Unix(1_700_000_000, 0)
	s := State{Estimate: 20 * megabit, Cause: CauseIncrease}
	next := func(low, high int) (Target, bool) {
		t.Helper()
		if high > 0 {
			require.NoError(t, target.Bound(low, high))
		}
		now = now.Add(time.Millisecond)
		return target.Next(now, s, Use{})
	}
	for _, high := range []int{1_500_000, 1_510_000, 5 * megabit} {
		told, tell := next(megabit, high)
		require.True(t, tell)
		require.Equal(t, Target{Bitrate: high, FPS: 30, Cause: CauseBounds}, told)
		_, tell = next(0, 0)
		require.False(t, tell, "told once")
	}
	_, tell := next(0, 5*megabit)
	require.False(t, tell, "it changes nothing")
	s.Estimate = megabit
	told, tell := next(4*megabit, 5*megabit)
	require.True(t, tell)
	require.Less(t, told.FPS, 30, "the frame rate follows the lower bound")
	s.Outage = true
	_, tell = next(0, megabit/4)
	require.False(t, tell)
	s.Outage = false
	told, tell = next(0, 0)
	require.True(t, tell, "after the outage")
	require.Equal(t, megabit/4, told.Bitrate)
	for _, bad := range [][2]int{{-1, 1}, {2, 1}, {0, 0}} {
		require.Error(t, target.Bound(bad[0], bad[1]))
	}
}

// Whatever the bounds become, the target stays within them, the lower one in proportion to the frame rate.
func TestTargetsStayWithinBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(1, 120).Draw(t, "fps")
		target, err := NewTargeter(TargetConfig{Min: megabit, Start: megabit, Max: 2 * megabit, FPS: fps})
		require.NoError(t, err)
		low, high, now := megabit, 2*megabit, time.Unix(1_700_000_000, 0)
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			if rapid.Bool().Draw(t, "bound") {
				low = rapid.IntRange(0, 10*megabit).Draw(t, "low")
				high = max(low, 1) + rapid.IntRange(0, 10*megabit).Draw(t, "more")
				require.NoError(t, target.Bound(low, high))
			}
			now = now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
			s := State{Estimate: rapid.IntRange(100_000, 20*megabit).Draw(t, "estimate"), Capacity: 2 * megabit, Draining: rapid.Bool().Draw(t, "draining")}
			target.Next(now, s, Use{})
			told := target.Told()
			require.LessOrEqual(t, told.Bitrate, high)
			require.GreaterOrEqual(t, told.Bitrate, low*told.FPS/fps*98/100) // a fall of 2 % waits
		}
	})
}

func TestUntried(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Min: megabit, Start: 2 * megabit, Max: 4 * megabit})
	require.NoError(t, err)
	require.True(t, e.Untried())
	require.NoError(t, e.Bound(3*megabit, 8*megabit))
	require.Equal(t, State{Estimate: 3 * megabit, Cause: CauseBounds}, State{Estimate: e.State().Estimate, Cause: e.State().Cause})
	require.True(t, e.Untried())
	e.set(2*megabit, CauseLoss)
	require.Equal(t, 3*megabit, e.State().Estimate)
	e.set(5*megabit, CauseProbe)
	require.False(t, e.Untried(), "a probe has measured it")
	e.set(8*megabit, CauseProbe)
	require.True(t, e.Untried(), "and found nothing against the upper bound")
	e.draining = true
	require.False(t, e.Untried())
}

// What loss has found is not forgotten because an upper bound was lower for a while: when that is raised, the estimate does not leap to
// where packets were lost. Once the path has carried as much it may.
func TestACutDoesNotHideALoss(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Min: megabit, Start: 2 * megabit, Max: 4 * megabit})
	require.NoError(t, err)
	e.set(1_900_000, CauseLoss)
	require.False(t, e.Untried())
	require.NoError(t, e.Bound(megabit/2, megabit))
	require.Equal(t, megabit, e.State().Estimate)
	require.False(t, e.Untried(), "it stands at the bound, and was lost above")
	require.NoError(t, e.Bound(megabit/2, megabit*3/4))
	require.NoError(t, e.Bound(megabit, 8*megabit))
	require.False(t, e.Untried())
	e.set(1_800_000, CauseIncrease)
	require.False(t, e.Untried())
	e.set(1_900_000, CauseIncrease)
	require.True(t, e.Untried())
}
