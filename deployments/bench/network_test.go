package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/g2g"
	"streamstack/deployments/e2e/stack"
	"streamstack/deployments/impair"
)

const (
	// networkSeed makes the same losses in every run.
	networkSeed = 5
	// passageEvery is how often the bytes that came through are counted.
	passageEvery = 50 * time.Millisecond
	// busy is clockcode with enough motion that the encoder fills any rate of its range.
	busy = "clockcode-busy"
	// networkRange is the encoder's, of 720p at 30 frames: below the lowest cap and above the highest.
	networkMin, networkMax = 300, 10_000
)

// BenchmarkNetwork streams through bad networks and prints a table of what a person sees of them. Each network takes half a
// minute. Only the network between TURN server and browser is bad; it is a relay of package impair.
func BenchmarkNetwork(b *testing.B) {
	dir := g2g.Applications(b)
	text := fmt.Sprintf("name: %s\ncommand: [%q, -content, smooth, -motion, 1280x384, -speed, 9]\nscreen: {width: 1280, height: 720, fps: 30}\n", busy, filepath.Join(dir, "clockcode"))
	require.NoError(b, os.WriteFile(filepath.Join(dir, busy+".yaml"), []byte(text), 0o600))
	config := filepath.Join(dir, "streamer.json")
	text = fmt.Sprintf(`{"video":{"bitrate_limits":[{"num_pixels":921600,"fps":30,"min_kbps":%d,"max_kbps":%d}]}}`, networkMin, networkMax)
	require.NoError(b, os.WriteFile(config, []byte(text), 0o600))
	s, relay := stack.Impaired(b, stack.DataDir(b), networkSeed, "--applications", dir, "--streamer-config", config)
	lines := [][]string{{"network", "", "latency p50", "p95", "freezes", "frozen", "recovered", "Mbit/s", "of the cap", "shown fps", "lost", "queue p95"}}
	var late impair.Delays
	for _, n := range networks() {
		b.Run(strings.NewReplacer(" ", "-", ",", "", "%", "pc", "/", "p").Replace(n.name), func(b *testing.B) {
			for b.Loop() {
				w := watchThrough(b, s, relay, n)
				for _, p := range n.parts {
					lines = append(lines, w.line(n, p))
				}
				late = w.late
				b.ReportMetric(w.part(n.parts[len(n.parts)-1]).Latency().P95, "ms-p95")
			}
			b.ReportMetric(0, "ns/op") // says nothing: it is the time of the recording
		})
	}
	fmt.Printf("\n%s\nclockcode at 1280x720, 30 frames, through TURN and a network of %s one way unless said otherwise; ms. The relay itself was late by %s (p50), %s (p99)\n",
		g2g.Machine(), oneWay, late.Quantile(0.5).Round(time.Microsecond), late.Quantile(0.99).Round(time.Microsecond))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range lines {
		_, err := fmt.Fprintln(table, strings.Join(l, "\t")+"\t")
		require.NoError(b, err)
	}
	require.NoError(b, table.Flush())
}

// watched is a recording of a session behind a network.
type watched struct {
	g2g.Recording
	begun   time.Time
	network network
	passage passage
	counts  []impair.Stats // one at the beginning of each part and one at the end
	late    impair.Delays  // since the relay's start
}

// watchThrough starts a session behind a network, lets it settle and records it.
func watchThrough(b *testing.B, s *stack.Stack, relay *impair.Relay, n network) (w watched) {
	b.Helper()
	w.network = n
	begun, err := relay.Apply(n.up, n.down)
	require.NoError(b, err)
	v := g2g.Watch(b, s, g2g.Config{App: busy, Width: 1280, Height: 720, FPS: 30, Fragment: stack.RelayOnly})
	defer v.End()
	defer v.Navigate("about:blank")
	v.Pause(networkSettle)
	v.Start()
	w.begun = time.Now()
	if n.laterDown != nil {
		w.begun, err = relay.Apply(*n.laterUp, *n.laterDown)
		require.NoError(b, err)
	}
	stop := w.count(b.Context(), relay)
	v.Pause(n.record - time.Since(w.begun))
	w.Recording = v.Stop()
	stop()
	_, down := relay.Stats()
	w.late = down.Late
	require.Zero(b, down.Missed, "packets that the relay could not read in time: the machine is too busy to measure")
	require.Zero(b, down.Dropped[impair.Refused])
	b.Logf("%s, live %.1f s after the beginning: %s", n.name, w.begun.Sub(begun).Seconds()-networkSettle.Seconds(), w.seconds())
	return w
}

// count follows the bytes that come to the client until stop is called.
func (w *watched) count(ctx context.Context, relay *impair.Relay) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	look := func() {
		_, down := relay.Stats()
		now := time.Now()
		w.passage = append(w.passage, sample{now, down.Delivered.Bytes})
		if next := len(w.counts); next == 0 || next < len(w.network.parts) && !now.Before(w.begun.Add(w.network.parts[next].from)) {
			w.counts = append(w.counts, down)
		}
	}
	look()
	running.Go(func() {
		tick := time.NewTicker(passageEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
		_, down := relay.Stats()
		w.passage = append(w.passage, sample{time.Now(), down.Delivered.Bytes})
		w.counts = append(w.counts, down)
	}
}

func (w *watched) part(p part) g2g.Recording {
	return between(w.Recording, w.begun.Add(p.from), w.begun.Add(p.to))
}

// line is a part's row in the table.
func (w *watched) line(n network, p part) []string {
	r := w.part(p)
	var frozen time.Duration
	freezes := r.Freezes(freezeLimit)
	for _, g := range freezes {
		frozen += g.Length()
	}
	rate := w.passage.bitsPerSecond(r.From, r.To)
	recovered, used := "", ""
	if p.cap > 0 {
		used = fmt.Sprintf("%.0f %%", 100*rate/p.cap)
	}
	if p.since >= 0 {
		also := func(_, _ time.Time) bool { return true }
		if p.rises {
			also = w.passage.fills(p.cap)
		}
		took, ok := recovery(r, w.begun.Add(p.since), n.down.Delay, also)
		if recovered = "never"; ok {
			recovered = fmt.Sprintf("%.2f s", took.Seconds())
		}
	}
	i := slices.IndexFunc(n.parts, func(q part) bool { return q == p })
	counts := w.counts[i+1].Since(w.counts[i])
	return []string{
		n.name, p.name, fmt.Sprintf("%.0f", r.Latency().P50), fmt.Sprintf("%.0f", r.Latency().P95), fmt.Sprint(len(freezes)), fmt.Sprintf("%.1f s", frozen.Seconds()),
		recovered, fmt.Sprintf("%.1f", rate/1e6), used, fmt.Sprintf("%.1f", r.Rate()), fmt.Sprintf("%.1f %%", 100*counts.LossRate()),
		fmt.Sprintf("%.0f", float64(counts.Queued.Quantile(0.95).Microseconds())/1000),
	}
}

// seconds are the rate, the latency and the pictures of each second, for whoever looks into a figure.
func (w *watched) seconds() string {
	var kbps, ages, shown []string
	for from := w.begun; !from.Add(time.Second).After(w.To); from = from.Add(time.Second) {
		second := between(w.Recording, from, from.Add(time.Second))
		kbps = append(kbps, fmt.Sprintf("%.0f", w.passage.bitsPerSecond(from, from.Add(time.Second))/1000))
		ages = append(ages, fmt.Sprintf("%.0f", second.Latency().P95))
		shown = append(shown, fmt.Sprint(second.Distinct()))
	}
	return fmt.Sprintf("each second\n\tkbit/s %s\n\tp95 ms %s\n\tshown %s\n\t%d invalid, %d NACKs, %d PLIs, %d keyframes, %d lost",
		strings.Join(kbps, " "), strings.Join(ages, " "), strings.Join(shown, " "), w.Invalid, w.Stream.NACKs, w.Stream.PLIs, w.Stream.Keyframes, w.Stream.Lost)
}
