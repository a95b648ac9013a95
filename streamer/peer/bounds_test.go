package peer

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/rate"
)

// Bounds that are changed under a running stream move its encoder, down and up again, and are told as a decision.
func TestBoundsOfARunningStream(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(c *Config) { c.MinBitrate, c.MaxBitrate = megabit, 4*megabit })
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	n := 0
	bounded := func(low, high int, ok func(d Decision) bool) {
		t.Helper()
		until(t, func() string {
			p.WriteVideo(picture(frame.H264, n, n == 0))
			n++
			r.mu.Lock()
			defer r.mu.Unlock()
			at := -1
			for i, d := range r.decisions {
				if d.Kind == DecidedBounds && d.Min == low && d.Max == high {
					at = i
				}
			}
			if at < 0 {
				return fmt.Sprintf("bounds of %d to %d in %+v", low, high, r.decisions)
			}
			for _, d := range r.decisions[at+1:] {
				if d.Kind == DecidedTarget && ok(d) {
					return ""
				}
			}
			return fmt.Sprintf("the target that follows in %+v", r.decisions[at:])
		})
	}
	require.NoError(t, p.SetBitrates(megabit/2, megabit))
	bounded(megabit/2, megabit, func(d Decision) bool { return d.Cause == string(rate.CauseBounds) && d.Target.Bitrate <= megabit })
	require.NoError(t, p.SetBitrates(2*megabit, 6*megabit))
	bounded(2*megabit, 6*megabit, func(d Decision) bool { return d.Target.Bitrate >= 2*megabit })
	for _, bad := range [][2]int{{-1, 1}, {2, 1}, {0, 0}} {
		require.Error(t, p.SetBitrates(bad[0], bad[1]))
	}
}

// outlet counts payloads as they go out: new ones, repeats, and padding, which is a packet without any.
func TestOutletCounts(t *testing.T) {
	t.Parallel()
	trace := &traced{}
	o := &outlet{trace: trace}
	passed := 0
	next := interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { passed++; return 0, nil })
	video := o.BindLocalStream(&interceptor.StreamInfo{MimeType: "video/VP8"}, next)
	audio := o.BindLocalStream(&interceptor.StreamInfo{MimeType: "audio/opus"}, next)
	write := func(w interceptor.RTPWriter, seq uint16, padding bool, payload []byte) {
		_, err := w.Write(&rtp.Header{SequenceNumber: seq, Padding: padding}, payload, nil)
		require.NoError(t, err)
	}
	write(video, 65535, false, make([]byte, 100))
	write(video, 0, false, make([]byte, 50))
	write(video, 65535, false, make([]byte, 100)) // again
	write(video, 1, true, []byte{0, 0, 3})
	write(video, 2, true, []byte{200}) // nonsense
	write(audio, 7, false, make([]byte, 10))
	o.waited(time.Time{}, time.Now())
	o.waited(time.Unix(1, 0), time.Unix(3, 0))
	require.Equal(t, WireStats{Packets: 5, Bytes: 250, PacketsAgain: 1, BytesAgain: 100, Delay: 2 * time.Second}, o.stats())
	require.Equal(t, 6, passed)
	require.Equal(t, []bool{false, false, true, false, false, false}, trace.again)
}

// traced is a Tracer that keeps what is needed here.
type traced struct {
	again []bool
}

func (s *traced) Sent(_ *rtp.Header, _ int, again bool) { s.again = append(s.again, again) }
func (s *traced) Feedback([]rtcp.Packet)                {}
func (s *traced) Estimated(rate.State)                  {}
