package rate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is the shortest way of the last half minute is the path's own time: what was shorter before counts no more, and not sooner.
func TestTheBaseOfTheQueueRotates(t *testing.T) {
	t.Parallel()
	var q queue
	const short, long = 10 * time.Millisecond, 50 * time.Millisecond
	q.add(0, short)
	at := time.Second
	for ; q.wait > 0 || at == time.Second; at += time.Second {
		q.add(at, long)
		if at < (baseParts-1)*basePart {
			require.Equal(t, long-short, q.wait, "after %s", at)
		}
		require.Less(t, at, (baseParts+2)*basePart)
	}
	require.Equal(t, long, q.base)
	q.add(at, short)
	require.Equal(t, short, q.base)
	require.Zero(t, q.wait)
}

// Decreases that do not shorten the queue are hopeless after three of them and three seconds; one that does begins the count anew.
func TestHopeless(t *testing.T) {
	t.Parallel()
	const wait = 2 * queueLong
	for what, c := range map[string]struct {
		waits []time.Duration
		every time.Duration
		want  bool
	}{
		"the same":       {[]time.Duration{wait, wait, wait, wait}, 1100 * time.Millisecond, true},
		"too soon":       {[]time.Duration{wait, wait, wait, wait}, 500 * time.Millisecond, false},
		"too few":        {[]time.Duration{wait, wait, wait}, 2 * time.Second, false},
		"one that helps": {[]time.Duration{wait, wait, wait / 2, wait}, 2 * time.Second, false},
		"short":          {[]time.Duration{queueLong - 1, queueLong - 1, queueLong - 1, queueLong - 1}, 2 * time.Second, false},
	} {
		e, err := New(Config{Min: 1, Start: 1, Max: 1})
		require.NoError(t, err)
		e.draining = true
		got := false
		for i, w := range c.waits {
			got = e.hopeless(time.Duration(i+1)*c.every, w)
			if i+1 < len(c.waits) {
				require.False(t, got, what)
			}
		}
		require.Equal(t, c.want, got, what)
	}
}
