package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSamples(t *testing.T) {
	var s samples
	require.Zero(t, s.micros(50))
	require.Zero(t, s.rate(10, 1))
	for i := 100; i > 0; i-- {
		s = append(s, time.Duration(i)*time.Microsecond)
	}
	require.InDelta(t, 1, s.micros(0), 0)
	require.InDelta(t, 50, s.micros(50), 0)
	require.InDelta(t, 99, s.micros(99), 0)
	require.InDelta(t, 100, s.micros(100), 0)
	require.InDelta(t, 100/0.00505, s.rate(100, 1), 0.01)
	require.InDelta(t, 1000/0.00505, s.rate(100, 10), 0.01)
	require.InDelta(t, 10/0.000455, s.rate(10, 1), 0.01, "the sixth of ten rounds, slowest first being 100 to 91")
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		target target
		ratio  float64
		want   string
	}{
		{atLeast(0.9), 0.9, "reached"}, {atLeast(0.9), 1.1, "reached"}, {atLeast(0.9), 0.89, "MISSED"},
		{atMost(1.2), 1.2, "reached"}, {atMost(1.2), 0.1, "reached"}, {atMost(1.2), 1.21, "MISSED"},
		{target{}, 0.1, ""},
	} {
		require.Equal(t, c.want, c.target.verdict(c.ratio), "%v and %v", c.target, c.ratio)
	}
}

func TestPrintRows(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printRows(&out, "Title:", "ours", "raw", []row{
		{"rate", "/s", 90, 100, atLeast(0.9)},
		{"alone", "us", 7, 0, target{}},
	}))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	require.Equal(t, "Title:", lines[0])
	require.Equal(t, []string{"rate", "90", "/s", "100", "/s", "0.90", ">=", "0.90", "reached"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"alone", "7", "us", "0", "us", "0.00"}, strings.Fields(lines[3]))
}
