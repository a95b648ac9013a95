package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// TestEncoderDies: an element of GStreamer fails under the stream. The next encoder for the codec takes over, the browser shows on, and the
// history tells what happened and how long it took. Another client then has its picture in AV1.
func TestEncoderDies(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t), "--fault", "x264enc:60")
	v := open(t, s, "&codec=H264")
	id := v.start("testcard")
	var c events.ConnectedData
	require.NoError(t, s.Await(id, events.Streamer, events.Connected).Decode(&c))
	require.Equal(t, "x264enc", c.Encoder)
	changed := s.Await(id, events.Streamer, events.EncoderChanged)
	var d events.EncoderChangedData
	require.NoError(t, changed.Decode(&d))
	require.Equal(t, "H264 x264enc openh264enc", d.Codec+" "+d.From+" "+d.To)
	require.Contains(t, d.Reason, "Failed after iterations as requested", "GStreamer's own words")
	t.Logf("the picture was back %d ms after the failure", d.PauseMs)
	require.Less(t, d.PauseMs, int64(1000), "from GStreamer's error to the first picture of the next encoder, as the streamer measures it")
	checkPicture(t, v)
	before := v.stats().FramesDecoded
	stack.Eventually(t, liveTime, func() string {
		if v.stats().FramesDecoded < before+testcardFPS {
			return "a second of pictures from the other encoder"
		}
		return ""
	})
	require.Equal(t, "live", v.state())
	for _, e := range s.History(id) {
		require.False(t, e.Is(events.Streamer, events.Disconnected), "the client stays")
	}
	// The same stack in AV1, which no browser prefers to H264 by itself: encoded without hardware, and decoded by Chromium.
	v.again("&codec=AV1")
	require.NoError(t, s.Await(v.start("testcard"), events.Streamer, events.Connected).Decode(&c))
	require.Equal(t, "AV1 libaomenc", c.Codec+" "+c.Encoder)
	checkPicture(t, v)
	s.Verify()
}

// state is what the page says of its stream.
func (v viewer) state() (state string) {
	v.T.Helper()
	v.Eval(`streamstack.state`, &state)
	return state
}
