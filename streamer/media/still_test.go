package media_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/cadence"
	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

// rest waits until nothing but the keep-alive comes any more, and returns from which picture on.
func rest(t *testing.T, frames *collector[frame.Video]) (from int) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		from = frames.count()
		got, _ := frames.wait(t, from, 3)
		if apart := got[2].PTS - got[0].PTS; apart < 2*cadence.KeepAlive-100*time.Millisecond || !got[0].Still {
			return fmt.Errorf("three pictures within %v", apart)
		}
		return nil
	})
	return from
}

// Nothing changes: one picture a second, small ones. Something does: the picture is taken at once.
func TestAStillScreenCostsNothing(t *testing.T) {
	x := startX(t, 640, 360)
	client := x.connect(t)
	client.fill(t, 0x2060c0)
	codecs(t, func(t *testing.T, codec frame.Codec) {
		const fps, kbps = 60, 2000
		_, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: fps, Codec: codec, BitrateKbps: kbps})
		from := rest(t, frames)
		t.Logf("%d pictures until the screen was at rest", from)
		got, _ := frames.wait(t, from, 4)
		for _, f := range got {
			require.True(t, f.Still)
			require.False(t, f.Keyframe)
			require.Less(t, len(f.Data), kbps*1000/8/fps/2)
			require.Positive(t, f.Stages.Capture)
			require.Positive(t, f.Stages.Convert)
			require.Positive(t, f.Stages.Encode)
		}
		var waited []time.Duration
		const tries = 8 // a busy machine may delay any of them
		for i := 0; i < tries && (i == 0 || slices.Min(waited) >= time.Second/fps); i++ {
			seen := frames.count()
			client.fill(t, uint32(i*0x1c1c1c))
			eventually(t, 20*time.Second, func() error {
				now, _ := frames.wait(t, seen, 1)
				if seen++; now[0].ChangedAt.IsZero() {
					return fmt.Errorf("no picture of the change yet")
				}
				require.False(t, now[0].Still)
				waited = append(waited, now[0].CapturedAt.Sub(now[0].ChangedAt))
				return nil
			})
			rest(t, frames)
		}
		t.Logf("from the change to the reading of the screen: %v", waited)
		require.Less(t, slices.Min(waited), time.Second/fps, "the first change after a pause does not wait for a turn")
	})
}

// A client that joins a still screen gets a key frame of what is there, at once.
func TestKeyframeOfAStillScreen(t *testing.T) {
	x := startX(t, 640, 360)
	x.connect(t).fill(t, 0x20a040)
	codecs(t, func(t *testing.T, codec frame.Codec) {
		video, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: 30, Codec: codec, BitrateKbps: 2000})
		rest(t, frames)
		quickest := time.Hour
		const tries = 6 // as above
		for i := 0; i < tries && quickest >= cadence.KeepAlive/2; i++ {
			from, asked := frames.count(), time.Now()
			video.RequestKeyframe()
			var key frame.Video
			eventually(t, 20*time.Second, func() error {
				got, came := frames.wait(t, from, 1)
				if from++; !got[0].Keyframe {
					return fmt.Errorf("no keyframe yet")
				}
				key, quickest = got[0], min(quickest, came[0].Sub(asked))
				return nil
			})
			require.False(t, key.Still)
			require.Equal(t, key.CapturedAt, key.ChangedAt, "what was shown until then was right, and has not been frozen")
			_, g, _ := decode(t, codec, key.Data).at(100, 100)
			require.InDelta(t, 0xa0, g, 16)
			rest(t, frames)
		}
		require.Less(t, quickest, cadence.KeepAlive/2, "it does not wait for the keep-alive")
	})
}

// What was coarse while it moved becomes sharp when it rests.
func TestARestingPictureBecomesSharp(t *testing.T) {
	x := startX(t, 640, 360)
	client := x.connect(t)
	want := client.pattern(t)
	_, frames := capture(t, x, media.VideoConfig{Width: 640, Height: 360, FPS: 30, Codec: frame.H264, BitrateKbps: 2000})
	rest(t, frames)
	got, _ := frames.wait(t, 0, frames.count())
	var all []byte
	var first, last picture
	for i, f := range got {
		all = append(all, f.Data...)
		if i == 0 {
			first = decode(t, frame.H264, all)
		}
	}
	last = decodeLast(t, all)
	before, after := difference(first, want), difference(last, want)
	t.Logf("mean difference of a pixel: %.2f in the first picture, %.2f after %d refinements", before, after, len(got)-1)
	require.Less(t, after, before/2)
}

// pattern paints something with many details and returns it.
func (s screen) pattern(t *testing.T) picture {
	t.Helper()
	gc, err := xproto.NewGcontextId(s.conn)
	require.NoError(t, err)
	require.NoError(t, xproto.CreateGCChecked(s.conn, gc, xproto.Drawable(s.info.Root), 0, nil).Check())
	p := picture{width: int(s.info.WidthInPixels), height: int(s.info.HeightInPixels)}
	for y := range p.height {
		row := make([]byte, 0, 4*p.width)
		for x := range p.width {
			grey := byte(127.5 + 90*math.Sin(float64(x*x+y*y)/900) + 30*math.Sin(float64(x)*1.3))
			row = append(row, grey, grey, grey, 0)
		}
		p.pixels = append(p.pixels, row...)
		require.NoError(t, xproto.PutImageChecked(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.info.Root), gc,
			uint16(p.width), 1, 0, int16(y), 0, s.info.RootDepth, row).Check())
	}
	return p
}

// difference is how much the pixels differ in the mean, of 255. The mouse pointer is in the middle and left out.
func difference(a, b picture) float64 {
	sum, n := 0, 0
	for y := range a.height {
		for x := range a.width / 3 {
			r, _, _ := a.at(x, y)
			s, _, _ := b.at(x, y)
			sum += max(r-s, s-r)
			n++
		}
	}
	return float64(sum) / float64(n)
}
