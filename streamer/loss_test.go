package streamer

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// told is an Audio that is told of loss.
type told struct {
	*playing
	losses []int
}

func (x *told) SetLoss(percent int) error {
	x.losses = append(x.losses, percent)
	return nil
}

// The sound is told of the client's loss when it changes, also of what was before it began; one that cannot be told is none the worse.
func TestSoundBearsLoss(t *testing.T) {
	t.Parallel()
	k := newCaptures(&client{s: &Streamer{log: slog.New(slog.DiscardHandler)}})
	k.lost(0.02)
	x := &told{}
	k.keepSound(x)
	for _, part := range []float64{0.021, 0.1, 0.104, 0, 2} {
		k.lost(part)
	}
	require.Equal(t, []int{2, 10, 0, 100}, x.losses)
	k.keepSound(&playing{})
	k.lost(0.5)
	k.keepSound(nil)
	k.lost(0.3)
	require.Len(t, x.losses, 4)
}
