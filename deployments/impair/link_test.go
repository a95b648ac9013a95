package impair

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// newLink is one with a profile that is as it should be.
func newLink(t require.TestingT, seed uint64, p Profile) *Link {
	require.NoError(t, p.Validate())
	l := NewLink(seed, 0)
	l.Apply(0, p)
	return l
}

// lost are the numbers of the packets that a seed loses of the first n.
func lost(t *testing.T, seed uint64, p Profile, n int) (list []int) {
	t.Helper()
	l := newLink(t, seed, p)
	for i := range n {
		if l.Offer(time.Duration(i)*ms, 1200).Cause == Lost {
			list = append(list, i)
		}
	}
	return list
}

// TestLoss: a seed loses the same packets each time, about as many as it should, whatever else the network does.
func TestLoss(t *testing.T) {
	const n = 100_000
	p := Profile{Loss: Loss{Rate: 0.02}}
	of1 := lost(t, 1, p, n)
	require.Equal(t, 2060, len(of1), "seed 1 loses so many of them, on every machine")
	require.Equal(t, of1, lost(t, 1, p, n))
	require.Equal(t, of1, lost(t, 1, Profile{Delay: 10 * ms, Jitter: 5 * ms, Loss: p.Loss, Rate: Capped(10e6)}, n), "with delay, jitter and a cap")
	require.NotEqual(t, of1, lost(t, 2, p, n))
	l := newLink(t, 1, p)
	l.Offer(0, 1200)
	l.Apply(0, p)
	for i := range of1[0] + 1 {
		require.Equal(t, i == of1[0], l.Offer(0, 1200).Cause == Lost, "a profile begins with the seed's first number: packet %d", i)
	}
	for rate, seed := range map[float64]uint64{0.001: 3, 0.05: 4, 0.5: 5} {
		require.InEpsilon(t, rate, float64(len(lost(t, seed, Profile{Loss: Loss{Rate: rate}}, n)))/n, 0.2)
	}
}

// TestBursts: losses come in runs of the length that was asked for, and are as many in the long run.
func TestBursts(t *testing.T) {
	const n = 400_000
	for _, c := range []Loss{{0.02, 4}, {0.05, 10}, {0.3, 2}} {
		list := lost(t, 7, Profile{Loss: c}, n)
		require.InEpsilon(t, c.Rate, float64(len(list))/n, 0.06, "%+v", c)
		runs := 0
		for i, number := range list {
			if i == 0 || list[i-1] != number-1 {
				runs++
			}
		}
		require.InEpsilon(t, c.Burst, float64(len(list))/float64(runs), 0.06, "%+v", c)
	}
}

// TestDelay: a packet takes its delay, to the nanosecond, and jitter within its bounds.
func TestDelay(t *testing.T) {
	l := newLink(t, 1, Profile{Delay: 10 * ms})
	for i := range 10 {
		now := time.Duration(i) * 3 * ms
		require.Equal(t, Fate{At: now + 10*ms}, l.Offer(now, 1200))
	}
	overtaken := 0
	for _, reorder := range []bool{false, true} {
		l, latest := newLink(t, 1, Profile{Delay: 10 * ms, Jitter: 20 * ms, Reorder: reorder}), time.Duration(0)
		seen := map[time.Duration]bool{}
		for i := range 1000 {
			now := time.Duration(i) * ms
			at := l.Offer(now, 1200).At
			require.True(t, at >= now+10*ms && at < now+30*ms, at-now)
			seen[(at-now)/ms] = true
			if at < latest {
				overtaken++
			}
			latest = max(latest, at)
		}
		require.Equal(t, reorder, overtaken > 100, "packets that came before earlier ones: %d", overtaken)
		require.GreaterOrEqual(t, len(seen), 10, "delays from all of the range")
	}
}

// TestOutage: what comes in it and what waits when it begins is lost; the rest is not.
func TestOutage(t *testing.T) {
	l := newLink(t, 1, Profile{Delay: 10 * ms, Rate: Capped(1e6), Outages: []Window{{100 * ms, 200 * ms}}})
	for _, c := range []struct {
		at   time.Duration
		fate Fate
	}{
		{80 * ms, Fate{Passed, 98 * ms, 8 * ms}},
		{90 * ms, Fate{Passed, 108 * ms, 8 * ms}}, // it had passed before the outage
		{95 * ms, Fate{Cause: Down}},              // it would pass at 106
		{100 * ms, Fate{Cause: Down}},
		{199*ms + 999*time.Microsecond, Fate{Cause: Down}},
		{200 * ms, Fate{Passed, 218 * ms, 8 * ms}}, // nothing of the time before waits
	} {
		require.Equal(t, c.fate, l.Offer(c.at, 1000), c.at)
	}
}

// TestApply: the times of a profile count from when it was applied, and packets keep their order across the change.
func TestApply(t *testing.T) {
	l := newLink(t, 1, Profile{Delay: 100 * ms})
	require.Equal(t, 100*ms, l.Offer(0, 1000).At)
	l.Apply(50*ms, Profile{Delay: 10 * ms, Rate: []Step{{0, 8e6}, {100 * ms, 1e6}}})
	require.Equal(t, Fate{Passed, 100 * ms, ms}, l.Offer(50*ms, 1000), "behind the packet before it")
	require.Equal(t, Fate{Passed, 150 * ms, ms}, l.Offer(139*ms, 1000))
	require.Equal(t, Fate{Passed, 168 * ms, 8 * ms}, l.Offer(150*ms, 1000), "the second rate")
}

// TestThroughput: before a bottleneck that is always offered more than it takes, what passes is its rate.
func TestThroughput(t *testing.T) {
	for _, rate := range []int64{100e3, 1e6, 2e6, 8e6, 50e6} {
		l := newLink(t, 1, Profile{Rate: Capped(rate)})
		passed := 0
		const step, length = 100 * time.Microsecond, 10 * time.Second
		due := int64(0)
		for now := time.Duration(0); now < length; now += step {
			for due += rate * 3 / 2 / int64(time.Second/step); due >= 1200*8; due -= 1200 * 8 { // half as much again
				if f := l.Offer(now, 1200); f.Cause == Passed && f.At <= length {
					passed += 1200
				}
			}
		}
		require.InEpsilon(t, float64(rate), float64(passed)*8/length.Seconds(), 0.02, "%d bit/s", rate)
	}
}

// profiles draws valid ones.
func profiles() *rapid.Generator[Profile] {
	return rapid.Custom(func(t *rapid.T) Profile {
		p := Profile{
			Delay: time.Duration(rapid.IntRange(0, 200).Draw(t, "delay")) * ms, Jitter: time.Duration(rapid.IntRange(0, 50).Draw(t, "jitter")) * ms,
			Reorder: rapid.Bool().Draw(t, "reorder"), Loss: Loss{Rate: rapid.Float64Range(0, 0.5).Draw(t, "loss")},
			Queue: Queue{time.Duration(rapid.IntRange(0, 500).Draw(t, "queue")) * ms, rapid.IntRange(0, 100_000).Draw(t, "room")},
		}
		at := time.Duration(0)
		for range rapid.IntRange(0, 4).Draw(t, "rates") {
			p.Rate = append(p.Rate, Step{at, rapid.Int64Range(10e3, 20e6).Draw(t, "rate")})
			at += time.Duration(rapid.IntRange(1, 500).Draw(t, "for")) * ms
		}
		at = 0
		for range rapid.IntRange(0, 2).Draw(t, "outages") {
			at += time.Duration(rapid.IntRange(0, 300).Draw(t, "up")) * ms
			end := at + time.Duration(rapid.IntRange(1, 300).Draw(t, "down"))*ms
			p.Outages = append(p.Outages, Window{at, end})
			at = end
		}
		return p
	})
}

// TestLinkProperties: whatever the profile and the packets, none comes early, none passes faster than the bottleneck, the
// queue keeps its bound, nothing passes an outage, the order holds, and all happens alike the second time.
func TestLinkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := profiles().Draw(t, "profile")
		seed := rapid.Uint64().Draw(t, "seed")
		l, again := newLink(t, seed, p), newLink(t, seed, p)
		var now, latest, free time.Duration
		var queue []waiting
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			now += time.Duration(rapid.IntRange(0, 20_000).Draw(t, "pause")) * time.Microsecond
			bytes := rapid.IntRange(Overhead, 1500).Draw(t, "bytes")
			f := l.Offer(now, bytes)
			require.Equal(t, f, again.Offer(now, bytes))
			queue = slices.DeleteFunc(queue, func(w waiting) bool { return w.sent <= now })
			inQueue := 0
			for _, w := range queue {
				inQueue += w.bytes
			}
			switch {
			case f.Cause == Down:
				require.NotEmpty(t, p.Outages)
				continue
			case f.Cause == Overflow:
				require.NotEmpty(t, p.Rate)
				require.Greater(t, inQueue+bytes, p.Queue.room(p.rate(now)))
				continue
			}
			passed := now + f.Queued
			for _, w := range p.Outages {
				require.False(t, now < w.End && passed >= w.Begin, "through the outage %v", w)
			}
			if len(p.Rate) > 0 {
				require.LessOrEqual(t, inQueue+bytes, p.Queue.room(p.rate(now)))
				require.InDelta(t, p.sent(max(now, free), bytes), passed, 0)
				free, queue = passed, append(queue, waiting{passed, bytes})
			} else {
				require.Zero(t, f.Queued)
			}
			if f.Cause == Lost {
				require.Positive(t, p.Loss.Rate)
				continue
			}
			require.GreaterOrEqual(t, f.At, passed+p.Delay)
			if p.Reorder {
				require.LessOrEqual(t, f.At, passed+p.Delay+p.Jitter)
			} else {
				require.GreaterOrEqual(t, f.At, latest)
			}
			latest = max(latest, f.At)
		}
	})
}
