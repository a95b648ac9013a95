package peer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func TestFreezes(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	m := newFreezeMeter(50) // 40 ms and 100 ms
	at := func(d time.Duration) (uint64, time.Duration) { return m.stats(start.Add(d)) }
	count, total := at(time.Hour)
	require.Zero(t, count, "nothing stands still before the first picture")
	require.Zero(t, total)

	m.sent(start)
	m.sent(start.Add(140 * ms))
	count, _ = at(140 * ms)
	require.Zero(t, count, "a gap of just the limit")

	count, total = at(300 * ms)
	require.EqualValues(t, 1, count, "a freeze counts while it lasts")
	require.Equal(t, 160*ms, total)
	count, total = at(400 * ms)
	require.EqualValues(t, 1, count, "and once")
	require.Equal(t, 260*ms, total)
	m.sent(start.Add(440 * ms))
	m.sent(start.Add(460 * ms))
	count, total = at(470 * ms)
	require.EqualValues(t, 1, count)
	require.Equal(t, 300*ms, total)
	m.sent(start.Add(700 * ms))
	count, total = at(700 * ms)
	require.EqualValues(t, 2, count)
	require.Equal(t, 540*ms, total)
}

// However often it is asked, a meter finds what the pictures alone say.
func TestFreezesDoNotDependOnWhoAsks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		asked, alone := newFreezeMeter(30), newFreezeMeter(30)
		now := time.Unix(1_700_000_000, 0)
		var wantCount uint64
		var wantTotal time.Duration
		for i, gap := range rapid.SliceOfN(rapid.Int64Range(0, int64(500*ms)), 1, 50).Draw(t, "gaps") {
			for range rapid.IntRange(0, 3).Draw(t, "questions") {
				asked.stats(now.Add(time.Duration(rapid.Int64Range(0, gap).Draw(t, "when"))))
			}
			now = now.Add(time.Duration(gap))
			asked.sent(now)
			alone.sent(now)
			if i > 0 && time.Duration(gap) > alone.limit {
				wantCount++
				wantTotal += time.Duration(gap)
			}
		}
		for _, m := range []*freezeMeter{asked, alone} {
			count, total := m.stats(now)
			if count != wantCount || total != wantTotal {
				t.Fatalf("%d freezes of %s, expected %d of %s", count, total, wantCount, wantTotal)
			}
		}
	})
}
