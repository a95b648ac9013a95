package impair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestClasses: each duration is in a class whose end is at most an eighth and a microsecond above it.
func TestClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "duration"))
		end := top(class(d))
		require.GreaterOrEqual(t, end, d)
		require.LessOrEqual(t, end, d+d/8+1024)
		require.Equal(t, class(d), class(end))
		require.Equal(t, class(d)+1, class(end+1))
	})
}

func TestDelays(t *testing.T) {
	var d Delays
	require.Zero(t, d.Quantile(0.5))
	require.Zero(t, d.Mean())
	d.add(-ms)
	for i := range 99 {
		d.add(time.Duration(i+2) * ms)
	}
	require.EqualValues(t, 100, d.Count())
	require.InEpsilon(t, 50*ms, d.Mean(), 0.02)
	require.InEpsilon(t, 50*ms, d.Quantile(0.5), 0.125)
	require.InEpsilon(t, 99*ms, d.Quantile(0.99), 0.125)
	require.GreaterOrEqual(t, d.Quantile(1), 100*ms)
	earlier := d
	d.add(time.Second)
	d = d.since(earlier)
	require.EqualValues(t, 1, d.Count())
	require.Equal(t, time.Second, d.Mean())
	require.GreaterOrEqual(t, d.Quantile(0), time.Second)
}

func TestStatsSince(t *testing.T) {
	var s Stats
	require.Zero(t, s.LossRate())
	s.Offered.add(100)
	s.Dropped[Lost].add(100)
	earlier := s
	for range 3 {
		s.Offered.add(50)
		s.Delivered.add(50)
	}
	s.Dropped[Overflow].add(50)
	s.Missed = 2
	d := s.Since(earlier)
	require.Equal(t, Count{3, 150}, d.Delivered)
	require.Equal(t, Count{1, 50}, d.Dropped[Overflow])
	require.Zero(t, d.Dropped[Lost])
	require.EqualValues(t, 2, d.Missed)
	require.InDelta(t, 0.25, d.LossRate(), 0)
}
