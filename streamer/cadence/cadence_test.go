package cadence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var begin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock runs a cadence on a clock of its own.
type clock struct {
	*Cadence
	now   time.Time
	taken []taken
	size  int // of each encoded picture
}

type taken struct {
	at time.Duration // since begin
	Picture
}

const share = 1000 // bytes

func start(fps int) *clock { return &clock{Cadence: New(fps), now: begin, size: share} }

// until runs to a time, during which nothing happens but what is due.
func (c *clock) until(at time.Duration) *clock {
	for {
		next := later(c.Next(), c.now)
		if next.After(begin.Add(at)) {
			c.now = begin.Add(at)
			return c
		}
		c.now = next
		p := c.Taken(next)
		c.taken = append(c.taken, taken{next.Sub(begin), p})
		if p.Still {
			c.Encoded(c.size, share)
		}
	}
}

// times are the pictures since a time, in ms.
func (c *clock) times(since time.Duration) (list []int) {
	for _, t := range c.taken {
		if t.at >= since {
			list = append(list, int(t.at.Milliseconds()))
		}
	}
	return list
}

func TestAStillScreen(t *testing.T) {
	t.Parallel()
	c := start(60)
	c.until(0)
	require.Equal(t, []taken{{0, Picture{}}}, c.taken, "the first at once")
	c.until(1300 * time.Millisecond)
	require.Len(t, c.taken, 1+refineMost)
	require.Equal(t, []int{0, 100, 133}, c.times(0)[:3])
	for _, p := range c.taken[1:] {
		require.True(t, p.Still)
	}
	c.until(10 * time.Second)
	require.Equal(t, []int{2066, 3066, 4066, 5066, 6066, 7066, 8066, 9066}, c.times(1500*time.Millisecond), "one a second")
}

// Refinement ends when the encoder has nothing to add.
func TestRefinementEnds(t *testing.T) {
	t.Parallel()
	c := start(60)
	c.size = share/calmShare - 1
	c.until(time.Second)
	require.Len(t, c.taken, 1+calmPictures)
}

// The first change after a pause is taken at once, whatever the rate; those that follow come as they are made.
func TestTheFirstChangeIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	c := start(60).until(5500 * time.Millisecond)
	c.Change(c.now)
	changed := c.now
	c.until(5502 * time.Millisecond)
	last := c.taken[len(c.taken)-1]
	require.Equal(t, taken{5500*time.Millisecond + settle, Picture{ChangedAt: changed}}, last)
}

func TestAKeyframeIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	c := start(60).until(5500 * time.Millisecond)
	c.Ask()
	c.until(5500 * time.Millisecond)
	require.Equal(t, taken{5500 * time.Millisecond, Picture{}}, c.taken[len(c.taken)-1])
	c.until(6 * time.Second)
	require.Greater(t, len(c.times(5500*time.Millisecond)), 10, "and then refined")
}

// Whatever happens, pictures of change never come faster than the rate over a while, never within half an interval, a change never
// waits longer than its turn, and there is a picture every second.
func TestRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(1, 240).Draw(t, "fps")
		interval := time.Second / time.Duration(fps)
		c := start(fps)
		at, changes := time.Duration(0), 0
		for range rapid.IntRange(1, 200).Draw(t, "changes") {
			at += time.Duration(rapid.IntRange(0, int(2*interval)).Draw(t, "pause"))
			c.until(at)
			c.Change(c.now)
		}
		c.until(at + 3*time.Second)
		var before taken
		for i, p := range c.taken {
			if i > 0 && p.at-before.at > KeepAlive {
				t.Fatalf("nothing from %v to %v", before.at, p.at)
			}
			if !p.ChangedAt.IsZero() {
				changes++
				waited := begin.Add(p.at).Sub(p.ChangedAt)
				if waited > settle && waited > 3*interval/2 {
					t.Fatalf("a change waited for %v at %d pictures a second", waited, fps)
				}
				if i > 0 && !before.Still && p.at-before.at < interval/2 {
					t.Fatalf("two pictures within %v", p.at-before.at)
				}
			}
			before = p
		}
		if most := int(c.taken[len(c.taken)-1].at/interval) + 2; changes > most {
			t.Fatalf("%d pictures where the rate allows %d", changes, most)
		}
		if !c.changed.IsZero() {
			t.Fatal("a change was never shown")
		}
	})
}

// Even pictures with a little jitter are all taken, each at once.
func TestJitter(t *testing.T) {
	t.Parallel()
	c := start(60)
	interval := time.Second / 60
	jitter := []int{0, 3, -2, 5, -4, 1, 0, 4, -5, 2} // ms
	for n := 1; n <= 300; n++ {
		c.until(2*time.Second + time.Duration(n)*interval + time.Duration(jitter[n%len(jitter)])*time.Millisecond)
		c.Change(c.now)
	}
	c.until(c.now.Sub(begin) + 20*time.Millisecond)
	shown := 0
	for _, p := range c.taken {
		if !p.ChangedAt.IsZero() {
			shown++
			require.Less(t, begin.Add(p.at).Sub(p.ChangedAt), 6*time.Millisecond)
		}
	}
	require.Equal(t, 300, shown)
}

func TestSetRate(t *testing.T) {
	t.Parallel()
	c := start(10)
	for n := range 200 {
		if n == 100 {
			c.SetRate(50)
		}
		c.until(time.Duration(n) * 10 * time.Millisecond)
		c.Change(c.now)
	}
	require.InDelta(t, 10, len(c.times(0))-len(c.times(time.Second)), 2)
	require.InDelta(t, 50, len(c.times(time.Second)), 3)
}
