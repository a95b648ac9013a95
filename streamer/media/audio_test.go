package media_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/go-gst/go-gst/gst"
	"github.com/go-gst/go-gst/gst/app"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

func listen(t testing.TB, server string) (*media.Audio, *collector[frame.Audio]) {
	t.Helper()
	packets := newCollector[frame.Audio]()
	audio, err := media.StartAudio(t.Context(), media.AudioConfig{Server: server, Device: "out.monitor"}, packets.add)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, audio.Close()) })
	return audio, packets
}

func TestSoundArrivesInPacketsOfTenMilliseconds(t *testing.T) {
	require.NoError(t, media.Require(t.Context())) // also starts GStreamer for the tone
	p := startPulse(t)
	p.tone(t)
	audio, packets := listen(t, p.server)
	packets.wait(t, 0, 100)
	const n = 200
	var got []frame.Audio
	var bytes int
	eventually(t, time.Minute, func() error { // a machine that is busy with something else is late, and loses sound
		var came []time.Time
		got, came = packets.wait(t, packets.count(), n)
		late, jumps := 0, 0
		bytes = 0
		for i, packet := range got {
			require.Equal(t, 10*time.Millisecond, packet.Duration)
			require.Equal(t, 480, samplesPerFrame(packet.Data), "samples in packet %d by its own header", i)
			if i > 0 && (packet.PTS-got[i-1].PTS-10*time.Millisecond).Abs() > time.Millisecond {
				require.Greater(t, packet.PTS, got[i-1].PTS)
				jumps++
			}
			if came[i].Sub(packet.CapturedAt) > 100*time.Millisecond {
				late++
			}
			bytes += len(packet.Data)
		}
		if jumps >= n/10 || late >= n/4 {
			return fmt.Errorf("of %d packets %d do not follow the one before in time, and %d were older than 100 ms when they came", n, jumps, late)
		}
		return nil
	})
	require.NoError(t, audio.SetBitrate(64))
	require.NoError(t, audio.Close())
	kbps := float64(bytes) * 8 / (n * 10)
	require.InDelta(t, media.DefaultAudioKbps, kbps, media.DefaultAudioKbps/2)
	require.InDelta(t, 0.5/math.Sqrt2, loudness(t, got), 0.08, "root mean square of a sine wave at half the full scale")
}

func TestSilenceIsSilent(t *testing.T) {
	p := startPulse(t)
	_, packets := listen(t, p.server)
	got, _ := packets.wait(t, 0, 50)
	require.Less(t, loudness(t, got), 0.001)
}

func TestSoundAndPictureShareOneClock(t *testing.T) {
	x, p := startX(t, 320, 240), startPulse(t)
	_, frames := capture(t, x, media.VideoConfig{Width: 320, Height: 240, FPS: 30, Codec: frame.H264, BitrateKbps: 500})
	frames.wait(t, 0, 5) // the sound starts later, and must not begin at nought
	_, packets := listen(t, p.server)
	sounds, _ := packets.wait(t, 50, 1)
	pictures, _ := frames.wait(t, frames.count(), 1)
	apart := pictures[0].PTS - sounds[0].PTS
	require.InDelta(t, pictures[0].CapturedAt.Sub(sounds[0].CapturedAt), apart, float64(20*time.Millisecond))
}

func TestServerThatGoesAwayEndsTheSound(t *testing.T) {
	p := startPulse(t)
	audio, packets := listen(t, p.server)
	packets.wait(t, 0, 10)
	require.NoError(t, audio.Err())
	p.kill(t)
	select {
	case <-audio.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the capture goes on without PulseAudio")
	}
	require.ErrorContains(t, audio.Err(), p.server)
	require.ErrorIs(t, audio.SetBitrate(64), media.ErrClosed)
}

func TestSoundStartsWithAReasonOrNotAtAll(t *testing.T) {
	p := startPulse(t)
	for name, c := range map[string]struct {
		cfg  media.AudioConfig
		says string
	}{
		"no server":    {media.AudioConfig{}, "no PulseAudio server"},
		"nobody there": {media.AudioConfig{Server: "unix:/nonexistent/native"}, "/nonexistent/native"},
		"no device":    {media.AudioConfig{Server: p.server, Device: "missing.monitor"}, "missing.monitor"},
		"bitrate":      {media.AudioConfig{Server: p.server, BitrateKbps: 5}, "5 kbit/s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := media.StartAudio(t.Context(), c.cfg, func(frame.Audio) {})
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := media.StartAudio(ctx, media.AudioConfig{Server: p.server}, func(frame.Audio) {})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestClosingSoundLeavesNothingBehind(t *testing.T) {
	p := startPulse(t)
	cycle := func() {
		audio, err := media.StartAudio(t.Context(), media.AudioConfig{Server: p.server}, func(frame.Audio) {})
		require.NoError(t, err)
		require.NoError(t, audio.Close())
		require.NoError(t, audio.Close(), "closing twice")
		require.NoError(t, audio.Err())
	}
	cycle()
	runtime.GC()
	goroutines, files := runtime.NumGoroutine(), entries(t, "/proc/self/fd")
	for range 5 {
		cycle()
	}
	eventually(t, 30*time.Second, func() error {
		runtime.GC() // the bindings free the pipelines in finalizers
		if g, f := runtime.NumGoroutine(), entries(t, "/proc/self/fd"); g > goroutines || f > files {
			return fmt.Errorf("%d goroutines and %d open files, %d and %d before", g, f, goroutines, files)
		}
		return nil
	})
}

// samplesPerFrame reads the duration in a packet's first byte (RFC 6716, 3.1), at 48 kHz, for the CELT modes and one frame.
func samplesPerFrame(packet []byte) int {
	config := packet[0] >> 3
	if config < 16 || packet[0]&3 != 0 {
		return -1
	}
	return 120 << (config & 3)
}

// loudness decodes the packets with GStreamer and returns the root mean square of the samples, of 1.
func loudness(t testing.TB, packets []frame.Audio) float64 {
	t.Helper()
	pipeline, err := gst.NewPipelineFromString("appsrc name=source format=time caps=audio/x-opus,channel-mapping-family=0,channels=2,rate=48000 ! " +
		"opusdec ! audioconvert ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! appsink name=sink sync=false")
	require.NoError(t, err)
	source, err := pipeline.GetElementByName("source")
	require.NoError(t, err)
	sink, err := pipeline.GetElementByName("sink")
	require.NoError(t, err)
	require.NoError(t, pipeline.SetState(gst.StatePlaying))
	defer func() {
		require.NoError(t, pipeline.SetState(gst.StateNull))
		runtime.KeepAlive(pipeline)
	}()
	input, output := app.SrcFromElement(source), app.SinkFromElement(sink)
	for i, packet := range packets {
		buffer := gst.NewBufferFromBytes(packet.Data)
		buffer.SetPresentationTimestamp(gst.ClockTime(time.Duration(i) * packet.Duration))
		require.Equal(t, gst.FlowOK, input.PushBuffer(buffer))
	}
	require.Equal(t, gst.FlowOK, input.EndStream())
	sum, count := 0.0, 0
	for {
		sample := output.TryPullSample(gst.ClockTime(10 * time.Second))
		if sample == nil {
			break
		}
		data := sample.GetBuffer().Bytes()
		for ; len(data) >= 2; data = data[2:] {
			value := float64(int16(binary.LittleEndian.Uint16(data))) / 32768
			sum += value * value
			count++
		}
	}
	require.Greater(t, count, len(packets)*480, "decoded samples of two channels")
	return math.Sqrt(sum / float64(count))
}
