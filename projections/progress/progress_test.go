package progress

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// clock is moved on by the test.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{t: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) pass(d time.Duration)    { c.t = c.t.Add(d) }
func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestLinesComeAtMostOnceASecond(t *testing.T) {
	var b bytes.Buffer
	c := newClock()
	s := Lines(logTo(&b), "the log", c.now)
	for at := uint64(0); at <= 1_000_000; at += 1000 { // 100,000 a second for ten seconds
		s.Step(at, 1_000_000)
		c.pass(10 * time.Millisecond)
	}
	s.Done()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 10)
	require.Contains(t, lines[0], `msg="reading the log" at=100000 of=1000000 percent=10 per_second=100000 left=9s`)
	require.Contains(t, lines[8], `at=900000 of=1000000 percent=90 per_second=100000 left=1s`)
}

func TestWhatIsQuickShowsNothing(t *testing.T) {
	for name, show := range map[string]func(*bytes.Buffer, *clock) Show{
		"lines": func(b *bytes.Buffer, c *clock) Show { return Lines(logTo(b), "the log", c.now) },
		"bar":   func(b *bytes.Buffer, c *clock) Show { return Bar(b, "the log", c.now) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			c := newClock()
			s := show(&b, c)
			for at := range uint64(99) {
				s.Step(at, 99)
				c.pass(10 * time.Millisecond)
			}
			s.Done()
			require.Empty(t, b.String())
		})
	}
}

func TestBarDrawsOnOneLineAndLeavesNothing(t *testing.T) {
	var b bytes.Buffer
	c := newClock()
	s := Bar(&b, "the log", c.now)
	for at := uint64(0); at <= 300_000; at += 1000 {
		s.Step(at, 300_000)
		c.pass(10 * time.Millisecond)
	}
	s.Done()
	require.NotContains(t, b.String(), "\n")
	drawn := strings.Split(strings.TrimPrefix(b.String(), "\r\x1b[K"), "\r\x1b[K")
	require.Len(t, drawn, 22) // every tenth of a second from the second on, and the end
	require.Equal(t, "reading the log [######--------------]  33 %  100k/s  2s left", drawn[0])
	require.Equal(t, "reading the log [####################] 100 %  100k/s  … left", drawn[20])
	require.Empty(t, drawn[21])
}

// A reading that gets slower is told of with the rate it has now, not with the one of its best days.
func TestRateFollowsTheTruth(t *testing.T) {
	c := newClock()
	var last State
	m := newMeter("x", c.now, Patience, func(s State) { last = s }, nil)
	at := uint64(0)
	for _, perSecond := range []uint64{100_000, 1000} {
		for range 30 {
			m.Step(at, 10_000_000)
			at += perSecond
			c.pass(time.Second)
		}
	}
	require.InDelta(t, 1000, last.Rate, 1)
}

func TestStateFitsALineWhateverItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := State{What: "sessions", Target: rapid.Uint64().Draw(t, "target"), Rate: rapid.Float64Range(0, 1e9).Draw(t, "rate"),
			Left: time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "left"))}
		s.At = rapid.Uint64Range(0, s.Target).Draw(t, "at")
		if n := len([]rune(s.String())); n > 79 {
			t.Fatalf("%d columns: %s", n, s)
		}
	})
}

func TestNewDrawsNoBarIntoAFile(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/stderr")
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	m, ok := New(f, slog.New(slog.DiscardHandler), "the log").(*meter)
	require.True(t, ok)
	require.Equal(t, Patience, m.gap)
}
