package peer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
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

	sent := func(d time.Duration, v frame.Video) {
		if !v.ChangedAt.IsZero() {
			v.ChangedAt = start.Add(time.Duration(v.ChangedAt.UnixMilli()) * ms)
		}
		m.sent(start.Add(d), v)
	}
	changed := func(d int64) frame.Video { return frame.Video{ChangedAt: time.UnixMilli(d)} }
	is := func(d time.Duration, wantCount uint64, wantTotal time.Duration, why string) {
		t.Helper()
		count, total := at(d)
		require.Equal(t, wantCount, count, why)
		require.Equal(t, wantTotal, total, why)
	}
	sent(0, frame.Video{})
	sent(140*ms, frame.Video{})
	is(140*ms, 0, 0, "a gap of just the limit")
	sent(440*ms, frame.Video{})
	is(440*ms, 1, 300*ms, "a gap of which nothing else is known")
	sent(1300*ms, frame.Video{Still: true})
	sent(2100*ms, changed(2000))
	is(2100*ms, 1, 300*ms, "nothing had changed until then")
	sent(2900*ms, changed(2600))
	is(2900*ms, 2, 600*ms, "a change that was not sent")
	sent(3100*ms, changed(2500))
	is(3100*ms, 3, 800*ms, "one from before the last picture")

	is(5240*ms, 3, 800*ms, "the keep-alive may still come")
	is(5300*ms, 4, 3000*ms, "it has not: a freeze counts while it lasts")
	is(5400*ms, 4, 3100*ms, "and once")
	sent(5500*ms, changed(5490))
	is(5500*ms, 4, 3100*ms, "over")
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
			asked.sent(now, frame.Video{})
			alone.sent(now, frame.Video{})
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
