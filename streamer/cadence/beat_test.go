package cadence

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// screening shows the pictures of a cadence on a display that refreshes by a clock of its own, behind a path with jitter.
type screening struct {
	period, path, jitter time.Duration
	offset               time.Duration // of the display's refreshes
	tells                bool
	random               *rand.Rand
}

// every is how often the client tells.
const every = 500 * time.Millisecond

// show returns how many of the pictures taken after the fifth second were seen, how many were taken, and the mean age of what is seen.
func (s screening) show(k *clock, draws float64, length time.Duration) (seen, taken int, age time.Duration) {
	ready := map[int]time.Duration{} // when each picture is
	tell := func(now time.Duration) {
		var x, y float64
		n := 0
		for i, p := range k.taken {
			if _, known := ready[i]; !known {
				ready[i] = p.at + s.path + time.Duration(s.random.NormFloat64()*float64(s.jitter))
			}
			if ready[i] > now-every && ready[i] <= now {
				angle := 2 * math.Pi * float64(s.refresh(ready[i])-ready[i]) / float64(s.period)
				x, y, n = x+math.Cos(angle), y+math.Sin(angle), n+1
			}
		}
		if n == 0 || !s.tells {
			return
		}
		turn := float64(s.period) / (2 * math.Pi)
		lead := math.Mod(math.Atan2(y, x)+2*math.Pi, 2*math.Pi) * turn
		spread := math.Sqrt(-2*math.Log(min(1, math.Hypot(x, y)/float64(n)))) * turn
		k.Follow(begin.Add(now), frame.Rhythm{Period: s.period, Lead: time.Duration(lead), Spread: time.Duration(spread)})
	}
	told := time.Duration(0)
	for i := 0; ; i++ {
		at := time.Duration(float64(i) / draws * float64(time.Second))
		if at > length {
			break
		}
		k.until(at)
		if at-told >= every {
			tell(at)
			told = at
		}
		k.Change(k.now)
	}
	tell(length)
	refreshes := map[time.Duration]time.Duration{} // what is newest in each: when it was drawn
	for i, p := range k.taken {
		if p.at < 5*time.Second {
			continue
		}
		taken++
		drawn := time.Duration(math.Floor(p.at.Seconds()*draws) / draws * float64(time.Second))
		on := s.refresh(ready[i])
		refreshes[on] = max(refreshes[on], drawn)
	}
	var sum time.Duration
	for on, drawn := range refreshes {
		sum += on - drawn
	}
	return len(refreshes), taken, sum / time.Duration(max(1, len(refreshes)))
}

// refresh is the first one not before a time.
func (s screening) refresh(at time.Duration) time.Duration {
	since := at - s.offset
	on := since.Truncate(s.period)
	if on < since {
		on += s.period
	}
	return s.offset + on
}

// In step with the display all pictures are seen, wherever its refreshes lie, and they are no older for it.
func TestInStepWithTheDisplay(t *testing.T) {
	t.Parallel()
	for _, period := range []time.Duration{time.Second / 60, time.Second * 1001 / 60000, 16600 * time.Microsecond} {
		for offset := time.Duration(0); offset < period; offset += period / 5 {
			for _, jitter := range []time.Duration{300 * time.Microsecond, time.Millisecond} {
				s := screening{period: period, path: 9 * time.Millisecond, jitter: jitter, offset: offset, random: rand.New(rand.NewPCG(1, 2))}
				free, _, age := s.show(start(60), 61, 30*time.Second)
				s.tells = true
				seen, of, inStep := s.show(start(60), 61, 30*time.Second)
				t.Logf("%v at %v, jitter %v: free %d %v, in step %d of %d %v", period, offset, jitter, free, age, seen, of, inStep)
				require.Greater(t, seen, free)
				require.InDelta(t, 25/period.Seconds(), of, 25, "pictures in 25 s")
				require.Greater(t, float64(seen), 0.987*float64(of), "%v, refreshes at %v, jitter of %v", period, offset, jitter)
				require.Less(t, inStep, age+4*time.Millisecond)
			}
		}
	}
}

// A path that scatters pictures over the whole period is not followed, and neither is a display that refreshes at another rate.
func TestNotInStep(t *testing.T) {
	t.Parallel()
	s := screening{period: time.Second / 60, path: 40 * time.Millisecond, jitter: 8 * time.Millisecond, tells: true, random: rand.New(rand.NewPCG(1, 2))}
	k := start(60)
	s.show(k, 61, 20*time.Second)
	require.True(t, k.beat.at.IsZero())
	require.False(t, k.beat.rest.IsZero())

	for _, c := range []struct {
		fps    int
		period time.Duration
	}{{60, time.Second / 75}, {60, time.Second / 144}, {60, time.Second / 30}, {30, time.Second / 30}, {30, time.Second / 60}} {
		k := start(c.fps)
		k.until(time.Second)
		k.Follow(k.now, frame.Rhythm{Period: c.period})
		require.Zero(t, k.beat, c)
	}
}

// A client that is not heard of any more is not followed, nor when the rate is lowered; and what follows comes at the rate.
func TestTheDisplayIsForgotten(t *testing.T) {
	t.Parallel()
	k := start(60)
	k.until(time.Second)
	k.Follow(k.now, frame.Rhythm{Period: time.Second / 60})
	for i := range 61 * 10 {
		k.until(time.Second + time.Duration(i)*time.Second/61)
		k.Change(k.now)
	}
	_, followed := k.beat.next(k.last, k.now, k.now, k.now)
	require.False(t, followed, "10 s later")
	require.InDelta(t, 60*6, len(k.times(5*time.Second)), 12)
	k.Follow(k.now, frame.Rhythm{Period: time.Second / 60})
	k.SetRate(60)
	require.False(t, k.beat.at.IsZero())
	k.SetRate(30)
	require.Zero(t, k.beat)
}

// Whatever a client tells, pictures come at no more than the rate but for what a display may be faster, none waits for much longer than
// its turn, and all are shown in the end.
func TestFollowAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(50, 240).Draw(t, "fps")
		interval := time.Second / time.Duration(fps)
		c := start(fps)
		at := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "changes") {
			at += time.Duration(rapid.IntRange(0, int(2*interval)).Draw(t, "pause"))
			c.until(at)
			if rapid.IntRange(0, 3).Draw(t, "tells") == 0 {
				period := interval + time.Duration(rapid.IntRange(-int(interval/60), int(interval/60)).Draw(t, "period"))
				c.Follow(c.now, frame.Rhythm{Period: period, Lead: time.Duration(rapid.Int64Range(0, int64(period)-1).Draw(t, "lead")),
					Spread: time.Duration(rapid.Int64Range(0, int64(interval/4)).Draw(t, "spread"))})
			}
			c.Change(c.now)
		}
		c.until(at + 3*time.Second)
		changes := 0
		for _, p := range c.taken {
			if p.ChangedAt.IsZero() {
				continue
			}
			changes++
			if waited := begin.Add(p.at).Sub(p.ChangedAt); waited > 2*interval+beatLate+settle {
				t.Fatalf("a change waited for %v at %d pictures a second", waited, fps)
			}
		}
		if most := 2*int(c.taken[len(c.taken)-1].at/interval) + 2; changes > most {
			t.Fatalf("%d pictures where even twice the rate allows %d", changes, most)
		}
		if !c.changed.IsZero() {
			t.Fatal("a change was never shown")
		}
	})
}

// A client that has its display's refreshes move about with every message, as fast as it may send them, gets no more pictures for it.
func TestARestlessDisplayBringsNoMorePictures(t *testing.T) {
	t.Parallel()
	const fps, seconds = 60, 20
	period := time.Second / fps
	c := start(fps)
	for i := range seconds * 1000 {
		c.until(time.Duration(i) * time.Millisecond)
		c.Change(c.now)
		// The refresh before which pictures come is at once, as soon as half a period has passed.
		lead := leastLead
		if since := c.now.Sub(c.last); since >= period/2 {
			lead = leastLead + period/2 - 1
		}
		c.Follow(c.now, frame.Rhythm{Period: period, Lead: lead % period})
	}
	require.Less(t, len(c.times(time.Second)), fps*(seconds-1)*11/10)
}
