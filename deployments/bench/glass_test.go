package bench

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/g2g"
	"streamstack/deployments/e2e/stack"
)

const (
	// settle is what jitter buffers take to settle, record how long pictures are watched after that.
	settle, record = 5 * time.Second, 20 * time.Second
	// presses is how many inputs are made in a run.
	presses = 30
)

// screens are the pictures that are measured.
var screens = []g2g.Config{
	{Width: 1280, Height: 720, FPS: 30},
	{Width: 1280, Height: 720, FPS: 60},
	{Width: 1920, Height: 1080, FPS: 30},
}

func nameOf(c g2g.Config) string { return fmt.Sprintf("%dp%d", c.Height, c.FPS) }

// fragmentVariable is added to the console's address, as `&codec=VP8`: to measure something else than the default.
const fragmentVariable = "STREAMSTACK_BENCH_FRAGMENT"

// BenchmarkGlass measures from glass to glass, each run a session of its own in a browser of its own, and prints the medians
// of the runs. Each run takes 45 s.
func BenchmarkGlass(b *testing.B) {
	s := stack.Up(b, stack.DataDir(b), "--applications", g2g.Applications(b))
	var lines [][]string
	for _, c := range screens {
		c.Fragment = os.Getenv(fragmentVariable)
		b.Run(nameOf(c), func(b *testing.B) {
			var r glass
			for b.Loop() {
				r.add(watchOnce(b, s, c))
			}
			b.ReportMetric(0, "ns/op") // says nothing: it is the time of the run
			b.ReportMetric(r.median(func(f glassRun) float64 { return f.watched.Latency().P50 }), "ms-p50")
			b.ReportMetric(r.median(func(f glassRun) float64 { return f.watched.Latency().P99 }), "ms-p99")
			b.ReportMetric(r.median(func(f glassRun) float64 { return f.pressed.Input().Photon.P50 }), "ms-photon")
			lines = append(lines, r.line(nameOf(c)))
		})
	}
	fmt.Printf("\n%s\nclockcode in the console, Chromium without a GPU on the same machine; ms are p50 / p90 / p99, medians of the runs; its own: pictures a second that the browser shows of what it draws itself\n", g2g.Machine())
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range slices.Insert(lines, 0, glassColumns) {
		for _, cell := range l {
			_, err := fmt.Fprintf(table, "%s\t", cell)
			require.NoError(b, err)
		}
		_, err := fmt.Fprintln(table)
		require.NoError(b, err)
	}
	require.NoError(b, table.Flush())
}

// glassRun is one session.
type glassRun struct {
	watched, pressed g2g.Recording
	used             map[string]g2g.Used
	drawn            float64 // frames a second that clockcode painted
	ceiling          float64 // pictures a second that the browser shows of its own
}

// stages are the pictures a second at each stage of the way, so that a picture that is not shown is missed where it went missing.
func (r glassRun) stages() string {
	w := r.watched
	rate := func(n int) float64 { return float64(n) / w.Seconds() }
	read := func(n int) float64 { return float64(n) / w.Stream.Seconds }
	return fmt.Sprintf("drawn %.1f, received %.1f, decoded %.1f, composed %.1f, called back %.1f, seen %.1f",
		r.drawn, read(w.Stream.Received), read(w.Stream.Decoded), rate(w.Presented), rate(w.Callbacks), w.Rate())
}

func watchOnce(b *testing.B, s *stack.Stack, c g2g.Config) (r glassRun) {
	b.Helper()
	v := g2g.Watch(b, s, c)
	defer v.End()
	defer v.Navigate("about:blank")
	v.Pause(settle)
	load := g2g.StartLoad(b, map[string]int{"streamer": g2g.Streamer(b, s.PID()), "browser": v.PID(), "stack": s.PID()})
	drawing := g2g.StartDrawing(b, g2g.Streamer(b, s.PID()))
	r.watched = v.Record(record)
	r.drawn = drawing.Stop()
	r.used = load.Stop()
	r.pressed = v.Press(presses)
	r.ceiling = v.Ceiling(settle)
	b.Logf("%s: %s ms, up %s (wait %s), down %s (decode %.1f, buffer %.1f), %.1f fps, %d invalid, %d freezes, input %s missed %d, %s %.0f kbit/s, keyframes %d, probe %.2f ms, CPU %.2f/%.2f, others %.2f",
		nameOf(c), r.watched.Latency(), r.watched.Up(), r.watched.Wait(), r.watched.Down(), r.watched.Stream.DecodeMs, r.watched.Stream.BufferMs,
		r.watched.Rate(), r.watched.Invalid, len(r.watched.Freezes(freezeLimit)), r.pressed.Input().Photon, r.pressed.Input().Missed,
		r.watched.Stream.Codec, r.watched.Stream.Kbps, r.watched.Stream.Keyframes, r.watched.Cost.P50, r.used["streamer"].CPU, r.used["browser"].CPU, r.used[g2g.Others].CPU)
	in := r.pressed.Input()
	b.Logf("%s: pictures a second: %s, of its own %.1f; lead p10 %.1f, p50 %.1f, p90 %.1f ms; input to the application %s ms, from there to the picture %s ms", nameOf(c), r.stages(), r.ceiling,
		r.watched.Lead().P10, r.watched.Lead().P50, r.watched.Lead().P90, in.Up, in.Down)
	return r
}

// glass are the runs of one screen.
type glass []glassRun

func (g *glass) add(r glassRun) { *g = append(*g, r) }

// median of a figure over the runs; the upper one of an even number, as of [report].
func (g *glass) median(of func(glassRun) float64) float64 {
	var all runs
	for _, r := range *g {
		all = append(all, of(r))
	}
	return all.median()
}

// runs are one figure of each run.
type runs []float64

func (r runs) median() float64 {
	sorted := slices.Sorted(slices.Values(r))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

func (g *glass) medians(of func(glassRun) g2g.Distribution) string {
	at := func(q func(g2g.Distribution) float64) float64 {
		return g.median(func(r glassRun) float64 { return q(of(r)) })
	}
	return fmt.Sprintf("%.0f / %.0f / %.0f", at(func(d g2g.Distribution) float64 { return d.P50 }),
		at(func(d g2g.Distribution) float64 { return d.P90 }), at(func(d g2g.Distribution) float64 { return d.P99 }))
}

var glassColumns = []string{"picture", "codec", "glass to glass", "to the browser", "in the browser", "input to photon", "shown fps", "its own", "freezes", "invalid", "CPU streamer", "CPU browser", "CPU others", "MB streamer"}

func (g *glass) line(name string) []string {
	number := func(format string, of func(glassRun) float64) string { return fmt.Sprintf(format, g.median(of)) }
	return []string{
		name, (*g)[0].watched.Stream.Codec,
		g.medians(func(r glassRun) g2g.Distribution { return r.watched.Latency() }),
		g.medians(func(r glassRun) g2g.Distribution { return r.watched.Up() }),
		g.medians(func(r glassRun) g2g.Distribution { return r.watched.Down() }),
		g.medians(func(r glassRun) g2g.Distribution { return r.pressed.Input().Photon }),
		number("%.1f", func(r glassRun) float64 { return r.watched.Rate() }),
		number("%.1f", func(r glassRun) float64 { return r.ceiling }),
		number("%.0f", func(r glassRun) float64 { return float64(len(r.watched.Freezes(freezeLimit))) }),
		number("%.0f", func(r glassRun) float64 { return float64(r.watched.Invalid) }),
		number("%.2f", func(r glassRun) float64 { return r.used["streamer"].CPU }),
		number("%.2f", func(r glassRun) float64 { return r.used["browser"].CPU }),
		number("%.2f", func(r glassRun) float64 { return r.used[g2g.Others].CPU }),
		number("%.0f", func(r glassRun) float64 { return float64(r.used["streamer"].Bytes) / (1 << 20) }),
	}
}
