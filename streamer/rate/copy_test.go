package rate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
)

// A copy whose twin arrived is not reported, which looks as if it were lost: that says nothing of the path.
func TestCopiesAreNoLoss(t *testing.T) {
	t.Parallel()
	loss := func(copies bool) float64 {
		e, receiver := newEstimator(t), linktest.NewReceiver()
		for n := range uint16(2000) {
			at := time.Duration(n) * time.Millisecond
			unheard := n%10 == 0
			e.Sent(epoch.Add(at), rate.Packet{Seq: n, Size: 300, Copy: copies && unheard})
			if !unheard {
				receiver.Take(at, n)
			}
			for _, f := range receiver.Feedback(t, at) {
				require.NoError(t, e.Feedback(epoch.Add(at), f))
			}
		}
		return e.State().Loss
	}
	require.InDelta(t, 0.1, loss(false), 0.03)
	require.Zero(t, loss(true))
}
