package media_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/media"
)

// rtp makes RTP with a GStreamer pipeline, as a browser would, and gives it to play until the test ends.
func rtp(t testing.TB, description string, play func([]byte)) {
	t.Helper()
	pipeline, err := gst.NewPipelineFromString(description + " ! appsink name=out sync=false")
	require.NoError(t, err)
	element, err := pipeline.GetElementByName("out")
	require.NoError(t, err)
	app.SinkFromElement(element).SetCallbacks(&app.SinkCallbacks{NewSampleFunc: func(sink *app.Sink) gst.FlowReturn {
		if sample := sink.PullSample(); sample != nil {
			play(sample.GetBuffer().Bytes())
		}
		return gst.FlowOK
	}})
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	t.Cleanup(func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	})
}

// What a client says is what applications record: the same level, in stereo, from the sink's monitor.
func TestMicrophoneIsHeard(t *testing.T) {
	require.NoError(t, media.Require(t.Context()))
	p := startPulse(t)
	mic, err := media.StartMicrophone(media.MicrophoneConfig{Server: p.server, Device: "out", PayloadType: 111})
	require.NoError(t, err)
	rtp(t, "audiotestsrc is-live=true wave=sine freq=440 volume=0.5 samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1 ! opusenc frame-size=20 ! rtpopuspay pt=111",
		func(packet []byte) { _ = mic.Write(packet) })
	audio, packets := listen(t, p.server)
	eventually(t, 30*time.Second, func() error {
		got, _ := packets.wait(t, packets.count(), 50)
		if l := loudness(t, got); math.Abs(l-0.5/math.Sqrt2) > 0.1 {
			return fmt.Errorf("a loudness of %.2f", l)
		}
		return nil
	})
	require.NoError(t, audio.SetLoss(20))
	require.Error(t, audio.SetLoss(101))
	require.NoError(t, audio.Close())
	require.ErrorIs(t, audio.SetLoss(1), media.ErrClosed)
	require.NoError(t, mic.Err())
	require.NoError(t, mic.Close())
	require.ErrorIs(t, mic.Write([]byte{1}), media.ErrClosed)
}

// A sound server that is not there, or goes away, is an error that says so.
func TestMicrophoneWithoutAServer(t *testing.T) {
	_, err := media.StartMicrophone(media.MicrophoneConfig{})
	require.ErrorContains(t, err, "set Server")
	_, err = media.StartMicrophone(media.MicrophoneConfig{Server: "unix:/nowhere", Device: "out"})
	require.Error(t, err)
	p := startPulse(t)
	mic, err := media.StartMicrophone(media.MicrophoneConfig{Server: p.server, Device: "out", PayloadType: 111})
	require.NoError(t, err)
	t.Cleanup(func() { _ = mic.Close() })
	require.NoError(t, mic.Write([]byte("no RTP"))) // dropped
	rtp(t, "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay pt=111",
		func(packet []byte) { _ = mic.Write(packet) })
	p.kill(t)
	select {
	case <-mic.Done():
		require.Error(t, mic.Err())
	case <-time.After(30 * time.Second):
		t.Fatal("the microphone goes on without its server")
	}
}
