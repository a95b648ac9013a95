package media

import (
	"runtime"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// A client's camera, of whatever size and codec, becomes pictures of the one size that applications are shown. The device itself is
// stood in for: this needs no v4l2loopback.
func TestCameraUpToItsDevice(t *testing.T) {
	require.NoError(t, initialise())
	for codec, encode := range map[frame.Codec]string{
		frame.VP8: "vp8enc deadline=1 keyframe-max-dist=5 ! rtpvp8pay pt=97", frame.VP9: "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=5 ! rtpvp9pay pt=97",
		frame.H264: "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! video/x-h264,profile=constrained-baseline ! h264parse ! rtph264pay pt=97 config-interval=-1",
	} {
		t.Run(string(codec), func(t *testing.T) {
			c, err := StartCamera(CameraConfig{Device: "a test's", Codec: codec, PayloadType: 97, Width: 640, Height: 480, sink: "appsink name=shown sync=false"})
			require.NoError(t, err)
			shown, err := c.pipeline.element("shown")
			require.NoError(t, err)
			source, err := gst.NewPipelineFromString("videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 ! videoconvert ! video/x-raw,format=I420 ! " + encode + " ! appsink name=out sync=false")
			require.NoError(t, err)
			out, err := source.GetElementByName("out")
			require.NoError(t, err)
			app.SinkFromElement(out).SetCallbacks(&app.SinkCallbacks{NewSampleFunc: func(sink *app.Sink) gst.FlowReturn {
				if sample := sink.PullSample(); sample != nil {
					_ = c.Write(sample.GetBuffer().Bytes())
				}
				return gst.FlowOK
			}})
			pictures := make(chan int, 16)
			app.SinkFromElement(shown).SetCallbacks(&app.SinkCallbacks{NewSampleFunc: func(sink *app.Sink) gst.FlowReturn {
				if sample := sink.PullSample(); sample != nil {
					select {
					case pictures <- len(sample.GetBuffer().Bytes()):
					default:
					}
				}
				return gst.FlowOK
			}})
			require.NoError(t, source.SetState(gst.StatePlaying))
			for range 5 {
				select {
				case size := <-pictures:
					require.Equal(t, 640*480*2, size, "YUY2 has two bytes a pixel")
				case <-time.After(30 * time.Second):
					t.Fatalf("no picture: %v", c.Err())
				}
			}
			require.NoError(t, source.SetState(gst.StateNull))
			runtime.KeepAlive(source) // go-gst's SetState does not: a collection meanwhile would take the last reference away in its midst
			require.NoError(t, c.Close())
		})
	}
}

// Where there is no such device, or no decoder, the error says so.
func TestCameraThatCannotBe(t *testing.T) {
	_, err := StartCamera(CameraConfig{Device: "/dev/video-none", Codec: frame.AV1, Width: 640, Height: 480})
	require.ErrorContains(t, err, "VP8, VP9 and H264")
	_, err = StartCamera(CameraConfig{Codec: frame.VP8})
	require.ErrorContains(t, err, "take 16 to")
	_, err = StartCamera(CameraConfig{Device: "/dev/video-none", Codec: frame.VP8, PayloadType: 97, Width: 640, Height: 480})
	require.ErrorContains(t, err, "/dev/video-none")
	for _, device := range LoopbackCameras() {
		require.FileExists(t, device)
	}
}
