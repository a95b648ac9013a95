package limit

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Over any time no key gets more than its burst and its rate, whoever else asks; and who waits as long as he is told is let
// through.
func TestRateHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.Float64Range(0.1, 1000).Draw(t, "rate")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		r := NewRate()
		now := time.Unix(1, 0)
		first, let := map[string]time.Time{}, map[string]int{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, int(2*float64(time.Second)/perSecond)).Draw(t, "pause")))
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			if _, ok := first[key]; !ok {
				first[key] = now
			}
			wait, ok := r.Allow(key, perSecond, burst, now)
			if ok {
				let[key]++
			}
			most := float64(burst) + now.Sub(first[key]).Seconds()*perSecond
			if float64(let[key]) > math.Floor(most+1e-6) {
				t.Fatalf("%d let through where %.3f were allowed", let[key], most)
			}
			if !ok {
				require.Positive(t, wait)
				now = now.Add(wait)
				_, ok = r.Allow(key, perSecond, burst, now)
				require.True(t, ok, "after the wait it was told of")
				let[key]++
			}
		}
	})
}

// Who always stays within the rate is never refused, and 0 is no limit.
func TestRateLetsTheDecentThrough(t *testing.T) {
	t.Parallel()
	r := NewRate()
	now := time.Unix(1, 0)
	for range 1000 {
		_, ok := r.Allow("a", 10, 1, now)
		require.True(t, ok)
		_, ok = r.Allow("b", 0, 0, now)
		require.True(t, ok)
		now = now.Add(100 * time.Millisecond)
	}
	require.Equal(t, 1, r.Keys(), "nothing is kept where there is no limit")
}

// A figure that is changed holds from the next question on.
func TestRateChanges(t *testing.T) {
	t.Parallel()
	r := NewRate()
	now := time.Unix(1, 0)
	for range 5 {
		_, ok := r.Allow("a", 1, 5, now)
		require.True(t, ok)
	}
	_, ok := r.Allow("a", 1, 5, now)
	require.False(t, ok)
	_, ok = r.Allow("a", 1, 6, now)
	require.True(t, ok, "a larger burst")
	_, ok = r.Allow("a", 0.001, 6, now)
	require.False(t, ok)
	_, ok = r.Allow("a", 1000, 6, now.Add(time.Millisecond))
	require.True(t, ok, "a higher rate, whatever it was before")
}

// A flood of addresses takes bounded memory, gets no more than one allowance on top, and leaves the others theirs.
func TestRateIsBounded(t *testing.T) {
	t.Parallel()
	r := NewRate()
	r.max = 100
	now := time.Unix(1, 0)
	let := 0
	for i := range 10_000 {
		if _, ok := r.Allow(fmt.Sprint(i), 1, 5, now); ok {
			let++
		}
	}
	require.Equal(t, 100+5, let)
	require.LessOrEqual(t, r.Keys(), 101)
	_, ok := r.Allow("7", 1, 5, now)
	require.True(t, ok, "one that was there before")
	// When their allowances are whole again, they are forgotten.
	_, ok = r.Allow("new", 1, 5, now.Add(time.Minute))
	require.True(t, ok)
	require.Equal(t, 1, r.Keys())
}
