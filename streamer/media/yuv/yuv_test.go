package yuv_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/media/yuv"
)

// element is what it is called here.
const element = "libyuvconvert"

func TestMain(m *testing.M) {
	gst.Init(nil)
	if err := yuv.Register(element); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run plays a pipeline that ends in `appsink name=sink` and returns its last sample, after n.
func run(t testing.TB, description string, n int) *gst.Sample {
	t.Helper()
	pipeline, err := gst.NewPipelineFromString(description)
	require.NoError(t, err)
	found, err := pipeline.GetElementByName("sink")
	require.NoError(t, err)
	sink := app.SinkFromElement(found)
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	defer func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	}()
	var last *gst.Sample
	for i := range n {
		last = sink.TryPullSample(gst.ClockTime(20 * time.Second))
		require.NotNil(t, last, "picture %d from %s", i, description)
	}
	return last
}

// TestAsVideoconvert: the same picture as GStreamer's own converter makes, but for rounding and for where the mean of four
// pixels' colour lies. The sizes are those of screens, phones held upright and the smallest among them.
func TestAsVideoconvert(t *testing.T) {
	for _, format := range []string{"I420", "NV12"} {
		for _, size := range [][2]int{{1280, 720}, {1082, 2340}, {16, 16}, {322, 242}} {
			t.Run(fmt.Sprintf("%s %dx%d", format, size[0], size[1]), func(t *testing.T) {
				// Bars twice as wide as a pixel of colour, so that both see the same mean.
				source := fmt.Sprintf("videotestsrc num-buffers=1 pattern=checkers-8 foreground-color=0xff2060c0 ! video/x-raw,format=BGRx,width=%d,height=%d ! ", size[0], size[1])
				ours := run(t, source+element+" ! video/x-raw,format="+format+" ! appsink name=sink sync=false", 1)
				require.Contains(t, ours.GetCaps().String(), "colorimetry=(string)bt601")
				theirs := run(t, source+"videoconvert ! video/x-raw,format="+format+",colorimetry=bt601,chroma-site=jpeg ! appsink name=sink sync=false", 1)
				a, b := ours.GetBuffer().Bytes(), theirs.GetBuffer().Bytes()
				require.Len(t, a, len(b))
				for i := range a {
					if size[0]%16 == 0 { // otherwise the rows' padding differs
						require.InDelta(t, b[i], a[i], 3, "byte %d", i)
					}
				}
			})
		}
	}
}

// TestColours holds without a second converter: the values of BT.601.
func TestColours(t *testing.T) {
	for colour, want := range map[uint32][3]int{
		0xffffffff: {235, 128, 128}, 0xff000000: {16, 128, 128}, 0xffff0000: {81, 90, 240}, 0xff00ff00: {145, 54, 34}, 0xff0000ff: {41, 240, 110},
	} {
		sample := run(t, fmt.Sprintf("videotestsrc num-buffers=1 pattern=solid-color foreground-color=0x%x ! video/x-raw,format=BGRx,width=64,height=32 ! %s ! video/x-raw,format=I420 ! appsink name=sink sync=false", colour, element), 1)
		data := sample.GetBuffer().Bytes()
		for i, from := range []int{0, 64 * 32, 64 * 32 * 5 / 4} {
			require.InDelta(t, want[i], data[from], 2, "plane %d of %x", i, colour)
		}
	}
}

// BenchmarkConvert is for a picture of 1280x720, beside GStreamer's converter.
func BenchmarkConvert(b *testing.B) {
	for _, converter := range []string{"videoconvert n-threads=2", "videoconvert", element} {
		b.Run(converter, func(b *testing.B) {
			run(b, fmt.Sprintf("videotestsrc num-buffers=1 pattern=snow ! video/x-raw,format=BGRx,width=1280,height=720,framerate=1000/1 ! "+
				"imagefreeze num-buffers=%d ! %s ! video/x-raw,format=I420 ! appsink name=sink sync=false max-buffers=1", b.N, converter), b.N)
		})
	}
}
