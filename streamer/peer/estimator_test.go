package peer

import (
	"fmt"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/rate"
)

const megabit = 1_000_000

func TestEstimatorTakesFeedbackOnce(t *testing.T) {
	t.Parallel()
	e, err := newEstimator(&Config{MinBitrate: megabit, StartBitrate: 2 * megabit, MaxBitrate: 3 * megabit})
	require.NoError(t, err)
	feedback := &rtcp.TransportLayerCC{SenderSSRC: 1, FbPktCount: 5}
	require.ErrorIs(t, e.feed(feedback), rate.ErrFeedback, "about no packet")
	require.NoError(t, e.feed(feedback)) // the same packet, read for the other stream
	require.Equal(t, uint8(5), e.lastFeed)
	require.InDelta(t, 2*megabit, e.state().Estimate, megabit/2, "with headers and sound")
}

// Repeats, sound and padding are told apart from pictures, and the numbers of what was sent are the extension's.
func TestEstimatorCountsWhatIsSent(t *testing.T) {
	t.Parallel()
	e, err := newEstimator(&Config{MinBitrate: megabit, StartBitrate: 2 * megabit, MaxBitrate: 3 * megabit})
	require.NoError(t, err)
	passed := 0
	end := interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { passed++; return 0, nil })
	extensions := []interceptor.RTPHeaderExtension{{URI: sdp.TransportCCURI, ID: 5}}
	write := func(mime string, extensions []interceptor.RTPHeaderExtension, says sending, number uint16) {
		e.says(says)
		header := &rtp.Header{Version: 2}
		raw, err := (&rtp.TransportCCExtension{TransportSequence: number}).Marshal()
		require.NoError(t, err)
		require.NoError(t, header.SetExtension(5, raw))
		w := e.BindLocalStream(&interceptor.StreamInfo{MimeType: mime, RTPHeaderExtensions: extensions}, end)
		_, err = w.Write(header, make([]byte, 1000), nil)
		require.NoError(t, err)
	}
	const wire = 1000 + 12 + 8 + underRTP
	write("video/VP8", nil, sending{}, 1)
	require.Zero(t, e.state().InFlight, "no number, no feedback")
	write("video/VP8", extensions, sending{}, 1)
	write("video/VP8", extensions, sending{padding: true, probe: 3}, 2)
	write("video/VP8", extensions, sending{repeat: true}, 3)
	write("audio/opus", extensions, sending{}, 4)
	require.Equal(t, use{pictures: wire, other: 2 * wire}, e.used())
	require.Equal(t, 4*wire, e.state().InFlight)
	require.Equal(t, 5, passed)
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
		targets := append([]Target(nil), r.targets...)
		r.mu.Unlock()
		stats := p.Stats()
		if len(targets) == 0 || targets[len(targets)-1].Bitrate <= 300_000 {
			return fmt.Sprintf("a target above the start in %v (%+v)", targets, p.estimator.state())
		}
		if stats.RTT == 0 {
			return "a round trip time"
		}
		return ""
	})
	require.LessOrEqual(t, p.Stats().Target.Bitrate, 2*megabit)
}
