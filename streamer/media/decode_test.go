package media_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// picture is a decoded picture, four bytes a pixel: red, green, blue, nothing.
type picture struct {
	width, height int
	pixels        []byte
}

func (p picture) at(x, y int) (r, g, b int) {
	i := (y*p.width + x) * 4
	return int(p.pixels[i]), int(p.pixels[i+1]), int(p.pixels[i+2])
}

// decode decodes one keyframe with GStreamer's decoders.
func decode(t testing.TB, codec frame.Codec, data []byte) picture {
	t.Helper()
	decoder := "h264parse ! openh264dec"
	if codec == frame.VP8 {
		decoder = "ivfparse ! vp8dec"
		data = ivf(data)
	}
	file := filepath.Join(t.TempDir(), "keyframe")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return pictureOf(t, play(t, fmt.Sprintf("filesrc location=%s ! %s ! videoconvert ! video/x-raw,format=RGBx ! appsink name=sink sync=false", file, decoder)))
}

// decodeLast decodes a whole stream of H.264 and returns the last picture.
func decodeLast(t testing.TB, data []byte) picture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stream")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	pipeline, err := gst.NewPipelineFromString(fmt.Sprintf(
		"filesrc location=%s ! h264parse ! openh264dec ! videoconvert ! video/x-raw,format=RGBx ! appsink name=sink sync=false max-buffers=1", file))
	require.NoError(t, err)
	element, err := pipeline.GetElementByName("sink")
	require.NoError(t, err)
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	defer func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	}()
	var last *gst.Sample
	for {
		sample := app.SinkFromElement(element).TryPullSample(gst.ClockTime(10 * time.Second))
		if sample == nil {
			break
		}
		last = sample
	}
	require.NotNil(t, last)
	return pictureOf(t, last)
}

func pictureOf(t testing.TB, sample *gst.Sample) picture {
	t.Helper()
	structure := sample.GetCaps().GetStructureAt(0)
	width, err := structure.GetValue("width")
	require.NoError(t, err)
	height, err := structure.GetValue("height")
	require.NoError(t, err)
	w, wok := width.(int)
	h, hok := height.(int)
	require.True(t, wok && hok, "%v x %v", width, height)
	return picture{width: w, height: h, pixels: sample.GetBuffer().Bytes()}
}

// play runs a pipeline and returns its first sample.
func play(t testing.TB, description string) *gst.Sample {
	t.Helper()
	pipeline, err := gst.NewPipelineFromString(description)
	require.NoError(t, err)
	element, err := pipeline.GetElementByName("sink")
	require.NoError(t, err)
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	defer func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	}()
	sample := app.SinkFromElement(element).TryPullSample(gst.ClockTime(10 * time.Second))
	require.NotNil(t, sample, "nothing came from %s", description)
	return sample
}

// ivf puts one VP8 frame into the container of the WebM project.
func ivf(data []byte) []byte {
	file := make([]byte, 32+12, 32+12+len(data))
	copy(file, "DKIF")
	binary.LittleEndian.PutUint16(file[6:], 32)
	copy(file[8:], "VP80")
	binary.LittleEndian.PutUint16(file[12:], 640)
	binary.LittleEndian.PutUint16(file[14:], 360)
	binary.LittleEndian.PutUint32(file[16:], 30)
	binary.LittleEndian.PutUint32(file[20:], 1)
	binary.LittleEndian.PutUint32(file[24:], 1)
	binary.LittleEndian.PutUint32(file[32:], uint32(len(data)))
	return append(file, data...)
}
