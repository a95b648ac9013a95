package media_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
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
			latencies, size := make([]float64, len(got)), 0
			for i, f := range got {
				latencies[i] = came[i].Sub(f.CapturedAt).Seconds() * 1000
				size += len(f.Data)
			}
			slices.Sort(latencies)
			for name, quantile := range map[string]float64{"p50-ms": 0.5, "p90-ms": 0.9, "p99-ms": 0.99} {
				b.ReportMetric(latencies[int(quantile*float64(len(latencies)-1))], name)
			}
			b.ReportMetric(float64(size)/float64(len(got)), "B/picture")
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

// BenchmarkStillScreen tells what a screen on which nothing happens costs, at 1280x720 and 60 pictures per second: CPU time of this process and
// of the X server in percent of one core, pictures and kbit a second. One iteration is one second: run it with -benchtime=10x.
func BenchmarkStillScreen(b *testing.B) {
	for _, codec := range []frame.Codec{frame.H264, frame.VP8} {
		b.Run(string(codec), func(b *testing.B) {
			x := startX(b, 1280, 720)
			x.connect(b).fill(b, 0x2060c0)
			_, frames := capture(b, x, media.VideoConfig{Width: 1280, Height: 720, FPS: 60, Codec: codec, BitrateKbps: 3000})
			frames.wait(b, 0, 3)
			time.Sleep(2 * time.Second) // a measurement, not a test: what the start costs is not of interest
			from, ours, theirs := frames.count(), cpu(b, os.Getpid()), cpu(b, x.process.Pid)
			b.ResetTimer()
			time.Sleep(time.Duration(b.N) * time.Second)
			b.StopTimer()
			n, seconds, size := frames.count()-from, float64(b.N), 0
			got, _ := frames.wait(b, from, n)
			for _, f := range got {
				size += len(f.Data)
			}
			b.ReportMetric((cpu(b, os.Getpid())-ours).Seconds()/seconds*100, "cpu-%")
			b.ReportMetric((cpu(b, x.process.Pid)-theirs).Seconds()/seconds*100, "xorg-cpu-%")
			b.ReportMetric(float64(n)/seconds, "pictures/s")
			b.ReportMetric(float64(size)*8/1000/seconds, "kbit/s")
		})
	}
}

// cpu is the time that a process has computed, of all its threads.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // proc_pid_stat(5), from the third on
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	require.NoError(b, errors.Join(errUser, errSystem))
	const tick = time.Second / 100 // USER_HZ
	return time.Duration(user+system) * tick
}
