package bench

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/g2g"
	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/streamer/media/encoder"
)

// mostCost is how much more than a bare pipeline a streamer may take of the processor.
const mostCost = 1.15

// BenchmarkCost compares what a streamer takes of the processor, while a browser watches, with a bare gst-launch-1.0 of the
// same capture, conversion, encoder and bitrate, on the same display with the same application, to nowhere. The sessions have
// no sound, since the bare pipeline has none.
func BenchmarkCost(b *testing.B) {
	s := stack.Up(b, stack.DataDir(b), "--applications", g2g.Applications(b))
	var rows []row
	for _, c := range screens {
		c.App = g2g.Mute
		b.Run(nameOf(c), func(b *testing.B) {
			var streamer, bare, ratio runs
			for b.Loop() {
				mine, its := costOnce(b, s, c)
				streamer, bare, ratio = append(streamer, mine), append(bare, its), append(ratio, mine/its)
			}
			b.ReportMetric(0, "ns/op") // says nothing
			b.ReportMetric(ratio.median(), "of-bare")
			rows = append(rows, row{what: nameOf(c), unit: "ms", figure: streamer.median(), other: bare.median(), target: atMost(mostCost)})
		})
	}
	fmt.Println("\n" + g2g.Machine())
	require.NoError(b, printRows(os.Stdout, "CPU milliseconds for each streamed second, a core has 1000", "streamer", "gst-launch", rows))
}

func costOnce(b *testing.B, s *stack.Stack, c g2g.Config) (streamer, bare float64) {
	b.Helper()
	v := g2g.Watch(b, s, c)
	defer v.End()
	pid := g2g.Streamer(b, s.PID())
	v.Pause(settle)
	load := g2g.StartLoad(b, map[string]int{"streamer": pid})
	watched := v.Record(record)
	used := load.Stop()["streamer"].CPU * watched.Seconds()
	streamer = 1000 * used / float64(watched.Stream.Received) * float64(c.FPS)
	var connected events.ConnectedData
	require.NoError(b, s.Await(v.Session, events.Streamer, events.Connected).Decode(&connected))
	v.Navigate("about:blank") // the streamer stops capturing
	s.Await(v.Session, events.Streamer, events.Disconnected)

	for _, r := range encoder.Table() {
		if r.Element != connected.Encoder {
			continue
		}
		bare = bareOnce(b, v, pid, r, int(watched.Stream.Kbps))
		b.Logf("%s: streamer %.0f ms/s, %.1f fps shown, %.0f kbit/s; gst-launch %.0f ms/s; ratio %.2f", nameOf(c), streamer, watched.Rate(), watched.Stream.Kbps, bare, streamer/bare)
		return streamer, bare
	}
	b.Fatalf("no row for the encoder %q", connected.Encoder)
	return 0, 0
}

// bareOnce runs gst-launch on the display of a streamer.
func bareOnce(b *testing.B, v *g2g.Viewer, streamer int, r encoder.Row, kbps int) float64 {
	b.Helper()
	line := fmt.Sprintf("ximagesrc use-damage=false show-pointer=true ! video/x-raw,framerate=%d/1 ! "+
		"queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 silent=true ! %s ! fpsdisplaysink sync=false text-overlay=false video-sink=fakesink",
		v.Config.FPS, r.Describe(v.Config.FPS, kbps, runtime.GOMAXPROCS(0), func(string, string) bool { return true }))
	cmd := exec.CommandContext(b.Context(), "gst-launch-1.0", append([]string{"--verbose"}, strings.Fields(line)...)...)
	cmd.Env = append(os.Environ(), "DISPLAY="+g2g.Environment(streamer, "DISPLAY"), "XAUTHORITY="+g2g.Environment(streamer, "XAUTHORITY"))
	said := &rendered{}
	cmd.Stdout, cmd.Stderr = said, os.Stderr
	require.NoError(b, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		_ = cmd.Wait()                       // by the interrupt
	}()
	v.Pause(settle)
	first := said.count.Load()
	load, begin := g2g.StartLoad(b, map[string]int{"bare": cmd.Process.Pid}), time.Now()
	v.Pause(record)
	pictures := said.count.Load() - first
	used := load.Stop()["bare"].CPU * time.Since(begin).Seconds()
	require.Positive(b, pictures, "gst-launch-1.0 did no work: %s", line)
	return 1000 * used / float64(pictures) * float64(v.Config.FPS)
}

// rendered reads what fpsdisplaysink says twice a second: how many pictures have come to it.
type rendered struct{ count atomic.Int64 }

var renderedPattern = regexp.MustCompile(`rendered: ([0-9]+)`)

// Write implements io.Writer. What is cut in two is left to the next time.
func (r *rendered) Write(p []byte) (int, error) {
	if all := renderedPattern.FindAllSubmatch(p, -1); len(all) > 0 {
		if n, err := strconv.ParseInt(string(all[len(all)-1][1]), 10, 64); err == nil {
			r.count.Store(n)
		}
	}
	return len(p), nil
}
