package cadence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The answer to an input is taken before its turn where a program draws twice in each, and no picture is lost or gained by that.
func TestTheAnswerToAnInputDoesNotWait(t *testing.T) {
	t.Parallel()
	waits := func(act bool) (mean time.Duration, pictures int) {
		k := start(30)
		const draws = 61
		var sum time.Duration
		n := 0
		for i := range 30 * draws {
			drawn := time.Second + time.Duration(i)*time.Second/draws
			if i%23 == 11 { // at all places of a turn
				k.until(drawn - 5*time.Millisecond)
				if act {
					k.Acted(k.now)
				}
			}
			k.until(drawn)
			k.Change(k.now)
			if i%23 == 11 {
				k.until(drawn + time.Nanosecond)
				sum += later(k.Next(), k.now).Sub(begin.Add(drawn))
				n++
			}
		}
		return sum / time.Duration(n), len(k.times(2 * time.Second))
	}
	waited, pictures := waits(false)
	hurried, as := waits(true)
	require.Greater(t, waited, 8*time.Millisecond)
	require.Less(t, hurried, 3*time.Millisecond)
	require.InDelta(t, pictures, as, 3)
}

// However often somebody acts, pictures are not more in any time than the rate allows but for two, and none come within a third of a turn.
func TestRateOfAnswers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fps := rapid.IntRange(1, 240).Draw(t, "fps")
		interval := time.Second / time.Duration(fps)
		c := start(fps)
		at := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "changes") {
			at += time.Duration(rapid.IntRange(0, int(2*interval)).Draw(t, "pause"))
			c.until(at)
			if rapid.Bool().Draw(t, "acts") {
				c.Acted(c.now)
			}
			if rapid.Bool().Draw(t, "changes") {
				c.Change(c.now)
			}
		}
		c.until(at + 3*time.Second)
		var changes []time.Duration
		for _, p := range c.taken {
			if !p.ChangedAt.IsZero() {
				if n := len(changes); n > 0 && p.at-changes[n-1] < interval/nearest {
					t.Fatalf("two pictures within %v", p.at-changes[n-1])
				}
				if waited := begin.Add(p.at).Sub(p.ChangedAt); waited > settle && waited > 2*interval+settle {
					t.Fatalf("a change waited for %v at %d pictures a second", waited, fps)
				}
				changes = append(changes, p.at)
			}
		}
		for i := range changes {
			for j := i; j < len(changes); j++ {
				if most := int((changes[j]-changes[i])/interval) + 3; j-i+1 > most {
					t.Fatalf("%d pictures in %v at %d a second", j-i+1, changes[j]-changes[i], fps)
				}
			}
		}
		if !c.changed.IsZero() {
			t.Fatal("a change was never shown")
		}
	})
}
