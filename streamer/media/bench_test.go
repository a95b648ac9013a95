package media_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

// BenchmarkCaptureToSink tells how old a picture is when the sink gets it, at 1280x720 and 30 pictures per second, while rectangles
// are painted. One iteration is one picture: run it with -benchtime=300x.
func BenchmarkCaptureToSink(b *testing.B) {
	for _, codec := range []frame.Codec{frame.H264, frame.VP8} {
		b.Run(string(codec), func(b *testing.B) {
			x := startX(b, 1280, 720)
			x.connect(b).rectangles(b, time.Second/30)
			_, frames := capture(b, x, media.VideoConfig{Width: 1280, Height: 720, FPS: 30, Codec: codec, BitrateKbps: 3000})
			frames.wait(b, 0, 30)
			b.ResetTimer()
			got, came := frames.wait(b, frames.count(), b.N)
			b.StopTimer()
			latencies, bytes := make([]float64, len(got)), 0
			for i, f := range got {
				latencies[i] = came[i].Sub(f.CapturedAt).Seconds() * 1000
				bytes += len(f.Data)
			}
			slices.Sort(latencies)
			for name, quantile := range map[string]float64{"p50-ms": 0.5, "p90-ms": 0.9, "p99-ms": 0.99} {
				b.ReportMetric(latencies[int(quantile*float64(len(latencies)-1))], name)
			}
			b.ReportMetric(float64(bytes)/float64(len(got)), "B/picture")
		})
	}
}

// rectangles paints coloured rectangles all over the root window, one each time until the test ends.
func (s screen) rectangles(t testing.TB, every time.Duration) {
	t.Helper()
	gc, err := xproto.NewGcontextId(s.conn)
	require.NoError(t, err)
	require.NoError(t, xproto.CreateGCChecked(s.conn, gc, xproto.Drawable(s.info.Root), 0, nil).Check())
	painted := make(chan struct{})
	ticker := time.NewTicker(every)
	go func() {
		defer close(painted)
		defer ticker.Stop()
		for range ticker.C {
			xproto.ChangeGC(s.conn, gc, xproto.GcForeground, []uint32{rand.Uint32N(1 << 24)})
			place := xproto.Rectangle{X: int16(rand.IntN(int(s.info.WidthInPixels))), Y: int16(rand.IntN(int(s.info.HeightInPixels))), Width: 200, Height: 120}
			if xproto.PolyFillRectangleChecked(s.conn, xproto.Drawable(s.info.Root), gc, []xproto.Rectangle{place}).Check() != nil {
				return // the connection was closed by the clean-up below
			}
		}
	}()
	t.Cleanup(func() {
		s.conn.Close()
		<-painted
	})
}
