package pacer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// However much sound and probes have sent beyond the rate, pictures wait for it no longer than maxDebt.
func TestDebtIsBounded(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 1000)
	for range 100 {
		put(t, p, Audio, "sound", 10_000) // eight seconds of the rate in all
	}
	put(t, p, Video, "picture", 1000)
	for range 100 {
		require.Equal(t, "sound", p.Next(epoch, room, false).Item)
	}
	now := epoch.Add(ms)
	turn := p.Next(now, room, false)
	require.False(t, turn.OK)
	require.Greater(t, turn.Wait, maxDebt/2)
	require.LessOrEqual(t, turn.Wait, maxDebt+ms)
	require.Equal(t, "picture", p.Next(now.Add(turn.Wait), room, false).Item)
}
