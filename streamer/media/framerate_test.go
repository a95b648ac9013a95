package media_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

// A third of the pictures and the bitrate that is wanted of them, without a keyframe; and back.
func TestFrameRateIsFollowedLive(t *testing.T) {
	x := startX(t, 320, 240)
	x.connect(t).noise(t)
	codecs(t, func(t *testing.T, codec frame.Codec) {
		const full = 30
		video, frames := capture(t, x, media.VideoConfig{Width: 320, Height: 240, FPS: full, Codec: codec, BitrateKbps: 2000})
		for _, want := range []struct{ fps, kbps int }{{10, 700}, {30, 2000}} {
			require.NoError(t, video.SetFrameRate(want.fps))
			require.NoError(t, video.SetBitrate(want.kbps*full/want.fps))
			eventually(t, 30*time.Second, func() error {
				got, _ := frames.wait(t, frames.count(), 20)
				bytes, took := 0, (got[len(got)-1].PTS - got[0].PTS).Seconds()
				for _, f := range got[1:] {
					bytes += len(f.Data)
					require.False(t, f.Keyframe, "another rate needs no keyframe")
				}
				fps, kbps := float64(len(got)-1)/took, float64(bytes)*8/1000/took
				if math.Abs(fps-float64(want.fps)) > 0.2*float64(want.fps) || math.Abs(kbps-float64(want.kbps)) > 0.35*float64(want.kbps) {
					return fmt.Errorf("%.1f pictures a second of %.0f kbit/s after asking for %+v", fps, kbps, want)
				}
				return nil
			})
		}
		require.Error(t, video.SetFrameRate(0))
	})
}
