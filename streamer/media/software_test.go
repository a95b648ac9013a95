package media

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each row without hardware really encodes: keyframes come first and on request only, and the bitrate follows while playing.
func TestSoftwareEncoders(t *testing.T) {
	require.NoError(t, initialise())
	for _, r := range rows {
		if r.Hardware() {
			continue
		}
		t.Run(r.Element, func(t *testing.T) {
			require.True(t, installed(r.Element), "install %s", r.Package)
			const fps, low, high, changed, requested, pictures = 30, 5000, 8000, 60, 120, 130
			v := &Video{row: r, fps: fps}
			var keyframes []int
			var sizes []int // written by GStreamer's thread, read when it has ended
			var rateChanged, err error
			v.pipeline, err = newPipeline(slog.New(slog.DiscardHandler), r.Element, fmt.Sprintf(
				"videotestsrc pattern=snow num-buffers=%d ! video/x-raw,format=BGRx,width=320,height=240,framerate=%d/1 ! %s ! %s",
				pictures, fps, describe(r, fps, low), sinkElement), newEnding())
			require.NoError(t, err)
			v.encoder, err = v.pipeline.element("encoder")
			require.NoError(t, err)
			start, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err = v.pipeline.start(start, func(e encoded) {
				if e.keyframe {
					keyframes = append(keyframes, len(sizes))
				}
				switch sizes = append(sizes, len(e.data)); len(sizes) {
				case changed:
					rateChanged = v.SetBitrate(high)
				case requested:
					v.RequestKeyframe()
				}
			})
			require.True(t, err == nil || v.pipeline.ended() != nil, err)
			select {
			case <-v.pipeline.done:
			case <-start.Done():
				t.Fatal("it did not end")
			}
			require.ErrorIs(t, v.pipeline.ended(), errEnded)
			require.NoError(t, rateChanged)
			require.Len(t, sizes, pictures, "a picture out for each picture in")
			require.Equal(t, 0, keyframes[0])
			if err := tryEncoder(t.Context(), slog.New(slog.DiscardHandler), r); err != nil {
				require.Equal(t, "av1enc", r.Element, err)
				require.ErrorContains(t, err, "gives no keyframe when it is asked for one", "GStreamer 1.22 on Debian 12")
				require.Len(t, keyframes, 1, "the probe tells the truth")
				return
			}
			if r.Element == "openh264enc" { // see its row
				require.Len(t, keyframes, 3, "%v", keyframes)
				keyframes = keyframes[1:]
			}
			require.Len(t, keyframes, 2, "the first and the one asked for: %v", keyframes)
			require.InDelta(t, requested+3, keyframes[1], 8, "what was on the way already comes before it")
			sum := func(from, to int) (bytes int) {
				for _, n := range sizes[from:to] {
					bytes += n
				}
				return bytes
			}
			const kbit = fps * 8 / 1000.0 // for a mean over pictures
			require.InDelta(t, low, float64(sum(20, changed))/(changed-20)*kbit, 0.4*low, "kbit/s at the start")
			require.InDelta(t, high, float64(sum(changed+20, requested))/(requested-changed-20)*kbit, 0.4*high, "kbit/s after the change")
		})
	}
}
