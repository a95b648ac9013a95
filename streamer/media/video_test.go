package media_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

// NAL unit types of H.264 (ITU-T H.264, table 7-1).
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
)

// nalTypes lists the types of the NAL units in Annex B form.
func nalTypes(data []byte) (types []int) {
	for i := 0; i+3 < len(data); i++ {
		if data[i] == 0 && data[i+1] == 0 && data[i+2] == 1 {
			types = append(types, int(data[i+3]&0x1f))
		}
	}
	return types
}

func TestPicturesArriveAtTheRateAndBeginWithAKeyframe(t *testing.T) {
	x := startX(t, 640, 360)
	x.connect(t).rectangles(t, 7*time.Millisecond) // more often than pictures are taken
	codecs(t, func(t *testing.T, codec frame.Codec) {
		video, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: 30, Codec: codec, BitrateKbps: 1000})
		require.Equal(t, codec, video.Encoder().Codec)
		const pictures = 61
		got, _ := frames.wait(t, 0, pictures)
		// A machine that is busy with something else drops pictures, so the rate may take a while to be reached; it is never passed.
		eventually(t, time.Minute, func() error {
			window, came := frames.wait(t, frames.count(), 31)
			rate := 30 / (window[30].PTS - window[0].PTS).Seconds()
			require.Less(t, rate, 31.0)
			if rate < 28 {
				return fmt.Errorf("%.1f pictures per second, not 30", rate)
			}
			latencies := make([]time.Duration, len(window))
			for i, f := range window {
				latencies[i] = came[i].Sub(f.CapturedAt)
				require.Positive(t, latencies[i])
			}
			slices.Sort(latencies)
			if median := latencies[len(latencies)/2]; median >= 200*time.Millisecond {
				return fmt.Errorf("%s from the screen to the sink, not a part of 200 ms", median)
			}
			return nil
		})
		require.NoError(t, video.Close())

		require.True(t, got[0].Keyframe, "the first picture")
		if codec == frame.H264 {
			types := nalTypes(got[0].Data)
			require.Subset(t, types, []int{nalSPS, nalPPS, nalIDR})
			require.Equal(t, []byte{0, 0, 0, 1}, got[0].Data[:4], "Annex B")
		} else {
			require.Zero(t, got[0].Data[0]&1, "RFC 7741, 4.3: P is 0 in a key frame")
		}
		for i, f := range got[1:] {
			require.False(t, f.Keyframe, "picture %d", i+1)
			require.Greater(t, f.PTS, got[i].PTS)
		}
	})
}

func TestKeyframeComesOnRequestOnly(t *testing.T) {
	x := startX(t, 640, 360)
	x.connect(t).noise(t) // scene cuts all the time: the encoder must not make keyframes of its own
	codecs(t, func(t *testing.T, codec frame.Codec) {
		video, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: 30, Codec: codec, BitrateKbps: 2000})
		quiet, _ := frames.wait(t, 1, 60)
		for i, f := range quiet {
			require.False(t, f.Keyframe, "picture %d, unasked", i+1)
		}
		quickest := time.Hour // of several, as the machine may be busy with something else
		for i := 0; i < 5 || (i < 30 && quickest >= 200*time.Millisecond); i++ {
			from, asked := frames.count(), time.Now()
			video.RequestKeyframe()
			eventually(t, 30*time.Second, func() error {
				got, came := frames.wait(t, from, 1)
				if !got[0].Keyframe {
					from++
					return errors.New("no keyframe yet")
				}
				quickest = min(quickest, came[0].Sub(asked))
				if codec == frame.H264 {
					require.Subset(t, nalTypes(got[0].Data), []int{nalSPS, nalPPS, nalIDR})
				}
				return nil
			})
			after, _ := frames.wait(t, from+1, 5)
			for _, f := range after {
				require.False(t, f.Keyframe, "one request, one keyframe")
			}
		}
		require.Less(t, quickest, 200*time.Millisecond)
	})
}

func TestBitrateIsFollowedLive(t *testing.T) {
	x := startX(t, 320, 240)
	x.connect(t).noise(t)
	codecs(t, func(t *testing.T, codec frame.Codec) {
		video, frames := capture(t, x, media.VideoConfig{Width: 320, Height: 240, FPS: 30, Codec: codec, BitrateKbps: 3000})
		measure := func() float64 {
			got, _ := frames.wait(t, frames.count(), 30)
			bytes := 0
			for _, f := range got[1:] {
				bytes += len(f.Data)
				require.False(t, f.Keyframe, "a change of the bitrate needs no keyframe")
			}
			return float64(bytes) * 8 / 1000 / (got[len(got)-1].PTS - got[0].PTS).Seconds()
		}
		for _, kbps := range []int{3000, 800, 2000} {
			require.NoError(t, video.SetBitrate(kbps))
			eventually(t, 30*time.Second, func() error {
				if got := measure(); math.Abs(got-float64(kbps)) > 0.3*float64(kbps) {
					return fmt.Errorf("%.0f kbit/s after asking for %d", got, kbps)
				}
				return nil
			})
		}
		require.Error(t, video.SetBitrate(0))
	})
}

func TestDecodedPictureIsTheScreen(t *testing.T) {
	x := startX(t, 640, 360)
	client := x.connect(t)
	const tolerance = 16 // of 255: the first picture has few bits
	codecs(t, func(t *testing.T, codec frame.Codec) {
		for _, colour := range []uint32{0x2060c0, 0xc02020, 0x20a040} {
			client.fill(t, colour)
			video, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: 30, Codec: codec, BitrateKbps: 2000})
			got, _ := frames.wait(t, 0, 1)
			require.NoError(t, video.Close())
			picture := decode(t, codec, got[0].Data)
			require.Equal(t, 640, picture.width)
			require.Equal(t, 360, picture.height)
			r, g, b := picture.at(100, 100)
			require.InDelta(t, colour>>16&0xff, r, tolerance, "red of %06x", colour)
			require.InDelta(t, colour>>8&0xff, g, tolerance, "green of %06x", colour)
			require.InDelta(t, colour&0xff, b, tolerance, "blue of %06x", colour)
		}
	})
}

func TestTwoCapturesOfOneDisplayAreIndependent(t *testing.T) {
	x := startX(t, 320, 240)
	cfg := media.VideoConfig{Width: 320, Height: 240, FPS: 30, Codec: frame.H264, BitrateKbps: 500}
	one, _ := capture(t, x, cfg)
	cfg.Codec = frame.VP8
	two, frames := capture(t, x, cfg)
	require.NoError(t, one.Close())
	frames.wait(t, frames.count(), 10)
	require.NoError(t, two.Err())
}

func TestDisplayThatGoesAwayEndsTheCapture(t *testing.T) {
	x := startX(t, 320, 240)
	video, frames := capture(t, x, media.VideoConfig{Width: 320, Height: 240, FPS: 30, Codec: frame.H264, BitrateKbps: 500})
	frames.wait(t, 0, 5)
	require.NoError(t, video.Err())
	x.kill(t)
	select {
	case <-video.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the capture goes on without an X server")
	}
	require.ErrorIs(t, video.Err(), media.ErrDisplayLost)
	require.ErrorContains(t, video.Err(), x.display)
	require.NoError(t, video.Close())
	require.ErrorIs(t, video.Err(), media.ErrDisplayLost, "closing does not hide the reason")
	require.ErrorIs(t, video.SetBitrate(500), media.ErrClosed)
	video.RequestKeyframe()
}

// A screen that is resized under a capture must neither end the process, which is Xlib's default, nor change the size of the stream.
func TestDisplayThatIsResizedEndsTheCapture(t *testing.T) {
	x := startX(t, 640, 480)
	codecs(t, func(t *testing.T, codec frame.Codec) {
		size := map[frame.Codec][2]int{frame.H264: {640, 480}, frame.VP8: {320, 240}}[codec]
		video, frames := capture(t, x, media.VideoConfig{Width: size[0], Height: size[1], FPS: 30, Codec: codec, BitrateKbps: 500})
		frames.wait(t, 0, 5)
		x.connect(t).shrink(t, uint16(size[0]/2), uint16(size[1]/2))
		select {
		case <-video.Done():
		case <-time.After(30 * time.Second):
			t.Fatal("the capture goes on with another size")
		}
		require.ErrorIs(t, video.Err(), media.ErrDisplaySize)
		got, _ := frames.wait(t, 1, frames.count()-1)
		for _, f := range got {
			require.False(t, f.Keyframe, "the picture of another size must not be delivered")
		}
	})
}

func TestStartFailsWithAReason(t *testing.T) {
	x := startX(t, 320, 240)
	good := media.VideoConfig{Display: x.display, Width: 320, Height: 240, FPS: 30, Codec: frame.H264, BitrateKbps: 500}
	for name, c := range map[string]struct {
		change func(*media.VideoConfig)
		says   string
	}{
		"no display":      {func(c *media.VideoConfig) { c.Display = "" }, "X display"},
		"nobody there":    {func(c *media.VideoConfig) { c.Display = ":64321" }, ":64321"},
		"another size":    {func(c *media.VideoConfig) { c.Width = 640 }, "is 320x240 and not 640x240"},
		"odd size":        {func(c *media.VideoConfig) { c.Width = 319 }, "even"},
		"no frame rate":   {func(c *media.VideoConfig) { c.FPS = 0 }, "pictures per second"},
		"no bitrate":      {func(c *media.VideoConfig) { c.BitrateKbps = 0 }, "bitrate"},
		"unknown codec":   {func(c *media.VideoConfig) { c.Codec = "H266" }, "H266"},
		"unknown encoder": {func(c *media.VideoConfig) { c.Encoder = "x266enc" }, "x266enc"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := media.StartVideo(t.Context(), cfg, func(frame.Video) {})
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			t.Log(err)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := media.StartVideo(ctx, good, func(frame.Video) {})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	x := startX(t, 320, 240)
	cfg := media.VideoConfig{Display: x.display, Width: 320, Height: 240, FPS: 60, Codec: frame.H264, BitrateKbps: 500}
	cycle := func() {
		frames := newCollector[frame.Video]()
		video, err := media.StartVideo(t.Context(), cfg, frames.add)
		require.NoError(t, err)
		video.RequestKeyframe()
		require.NoError(t, video.Close())
		require.NoError(t, video.Close(), "closing twice")
		<-video.Done()
		require.NoError(t, video.Err())
		delivered := frames.count()
		require.Equal(t, delivered, frames.count(), "nothing comes after Close")
	}
	cycle() // what GStreamer keeps for the process exists now
	runtime.GC()
	goroutines, files, threads := runtime.NumGoroutine(), entries(t, "/proc/self/fd"), entries(t, "/proc/self/task")
	const spareThreads = 6 // GLib keeps ended threads for a while, Go too; each cycle uses more than one
	for range 10 {
		cycle()
	}
	eventually(t, 30*time.Second, func() error {
		runtime.GC() // the bindings free the pipelines in finalizers
		if n := runtime.NumGoroutine(); n > goroutines {
			return fmt.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if n := entries(t, "/proc/self/fd"); n > files {
			return fmt.Errorf("%d open files, %d before", n, files)
		}
		if n := entries(t, "/proc/self/task"); n > threads+spareThreads {
			return fmt.Errorf("%d threads, %d before", n, threads)
		}
		return nil
	})
}

// A sink that hangs must not hang the caller of Close for ever.
func TestCloseHasADeadline(t *testing.T) {
	x := startX(t, 320, 240)
	hangs, release := make(chan struct{}), make(chan struct{})
	pictures := 0
	video, err := media.StartVideo(t.Context(), media.VideoConfig{
		Display: x.display, Width: 320, Height: 240, FPS: 30, Codec: frame.VP8, BitrateKbps: 500,
	}, func(frame.Video) {
		if pictures++; pictures == 2 {
			close(hangs)
			<-release
		}
	})
	require.NoError(t, err)
	<-hangs
	failed := video.Close()
	require.ErrorContains(t, failed, "did not stop")
	close(release)
	require.NoError(t, video.Close())
	require.NoError(t, video.Err())
}
