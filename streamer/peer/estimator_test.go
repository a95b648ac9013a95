package peer

import (
	"fmt"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

func TestEstimatorTakesFeedbackOnce(t *testing.T) {
	t.Parallel()
	e, err := newEstimator(&Config{MinBitrate: megabit, StartBitrate: 2 * megabit, MaxBitrate: 3 * megabit})
	require.NoError(t, err)
	feedback := &rtcp.TransportLayerCC{SenderSSRC: 1, FbPktCount: 5}
	require.NoError(t, e.feed(feedback))
	require.NoError(t, e.feed(feedback)) // the same packet, read for the other stream
	require.Equal(t, uint8(5), e.lastFeed)
	require.Equal(t, 2*megabit, e.state().estimate)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.NoError(t, e.feed(&rtcp.TransportLayerCC{FbPktCount: 6}), "late feedback is no fault")
}

func TestExtensionID(t *testing.T) {
	t.Parallel()
	negotiated := []interceptor.RTPHeaderExtension{{URI: "a", ID: 3}, {URI: "b", ID: 15}}
	require.Equal(t, uint8(3), extensionID(negotiated, "a"))
	require.Zero(t, extensionID(negotiated, "b"), "15 is reserved (RFC 8285, section 4.2)")
	require.Zero(t, extensionID(negotiated, "c"))
}

// A client on an open network lets the target rise, and its reports tell the round trip time.
func TestTargetRisesAndReportsArrive(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(cfg *Config) {
		cfg.MinBitrate, cfg.StartBitrate, cfg.MaxBitrate = 200_000, 300_000, 2*megabit
	})
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	n := 0
	until(t, func() string {
		p.WriteVideo(picture(frame.H264, n, n == 0)) // 5 kB each 10 ms, which is 4 Mbit/s
		n++
		r.mu.Lock()
		targets := append([]int(nil), r.targets...)
		r.mu.Unlock()
		stats := p.Stats()
		if len(targets) == 0 || targets[len(targets)-1] <= 300_000 {
			return fmt.Sprintf("a target above the start in %v (%+v)", targets, p.estimator.state())
		}
		if stats.RTT == 0 {
			return "a round trip time"
		}
		return ""
	})
	require.LessOrEqual(t, p.Stats().TargetBitrate, 2*megabit)
}
