package peer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const megabit = 1_000_000

func newTargeter() *targeter {
	return &targeter{low: megabit, high: 8 * megabit, target: 4 * megabit, told: 4 * megabit, toldAt: time.Unix(0, 0)}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after time.Duration
		net   congestion
		sent  int
		want  int // 0: not told
	}{
		"falls at once":              {targetTick, congestion{estimate: 3 * megabit}, 4 * megabit, 3 * megabit},
		"falls a little later":       {targetTick, congestion{estimate: 39 * megabit / 10}, 4 * megabit, 0},
		"little fall after a second": {targetInterval, congestion{estimate: 39 * megabit / 10}, 4 * megabit, 39 * megabit / 10},
		"rises not at once":          {targetTick, congestion{estimate: 6 * megabit}, 4 * megabit, 0},
		"rises after a second":       {targetInterval, congestion{estimate: 6 * megabit}, 4 * megabit, 6 * megabit},
		"not above the maximum":      {targetInterval, congestion{estimate: 20 * megabit}, 4 * megabit, 8 * megabit},
		"not below the minimum":      {targetTick, congestion{estimate: 1000, overuse: true}, 1000, megabit},
		"idle screen keeps it":       {targetInterval, congestion{estimate: megabit}, megabit / 2, 0},
		"congestion ends idleness":   {targetTick, congestion{estimate: megabit, overuse: true}, 2 * megabit, 17 * megabit / 10},
		"loss ends idleness":         {targetTick, congestion{estimate: megabit, loss: 0.2}, 2 * megabit, 17 * megabit / 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, tell := newTargeter().next(time.Unix(0, 0).Add(test.after), test.net, test.sent)
			require.Equal(t, test.want, got)
			require.Equal(t, test.want != 0, tell)
		})
	}
}

func TestTargetKeepsItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target, now := newTargeter(), time.Unix(0, 0)
		risen := now
		for range 50 {
			now = now.Add(targetTick)
			net := congestion{
				estimate: rapid.IntRange(0, 50*megabit).Draw(t, "estimate"),
				overuse:  rapid.Bool().Draw(t, "overuse"), loss: rapid.Float64Range(0, 1).Draw(t, "loss"),
			}
			before := target.told
			bps, tell := target.next(now, net, rapid.IntRange(0, 50*megabit).Draw(t, "sent"))
			if !tell {
				continue
			}
			if bps < megabit || bps > 8*megabit {
				t.Fatalf("told %d", bps)
			}
			if bps > before {
				if now.Sub(risen) < targetInterval {
					t.Fatalf("rose twice within %s", now.Sub(risen))
				}
				risen = now
			}
		}
	})
}

func TestRateMeter(t *testing.T) {
	t.Parallel()
	var meter rateMeter
	total, rate := uint64(0), 0
	for range 30 {
		total += 12_500 // bytes per tick
		rate = meter.add(total)
	}
	require.Equal(t, megabit, rate)
}
