package bench

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// readyRow is one way of running instances.
type readyRow struct {
	name string
	// cold is the row that its median is put beside; empty: none.
	cold string
	up   func(b *testing.B) *stack.Stack
	warm bool
	app  string // empty: testcard
}

// readyRows are what [BenchmarkReady] measures, in this order.
var readyRows = []readyRow{
	{name: "process", up: func(b *testing.B) *stack.Stack { return stack.Up(b, stack.DataDir(b)) }},
	{name: "process, warm", cold: "process", warm: true, up: func(b *testing.B) *stack.Stack { return stack.Up(b, stack.DataDir(b), "--warm", "1") }},
	{name: "docker", up: func(b *testing.B) *stack.Stack { return inContainers(b) }},
	{name: "docker, warm", cold: "docker", warm: true, up: func(b *testing.B) *stack.Stack { return inContainers(b, "--warm", "1") }},
}

// breath is how long the machine is left alone before each session: an instance that waits has just been started, or the last
// session's has just ended.
const breath = 500 * time.Millisecond

// BenchmarkReady prints, for each driver with and without instances that wait, the median and the worst time from gateway.created to
// the agent's claim, to launched and to the streamer's ready, by the times of the events. The first session, which fills caches, is
// not counted. One session runs at a time, and nothing connects.
func BenchmarkReady(b *testing.B) {
	medians := map[string]time.Duration{}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "from created to\tclaimed\tlaunched\tready\tworst ready\tof cold\t") // Flush tells
	n := 0
	for _, row := range readyRows {
		b.Run(row.name, func(b *testing.B) {
			s := row.up(b)
			var r report
			row.once(b, s, &report{})
			for b.Loop() {
				row.once(b, s, &r)
			}
			n = b.N
			medians[row.name] = r.median(readyStep)
			share := ""
			if cold := medians[row.cold]; cold > 0 {
				share = fmt.Sprintf("%.2f", float64(medians[row.name])/float64(cold))
			}
			_, _ = fmt.Fprintf(table, "%s\t%d ms\t%d ms\t%d ms\t%d ms\t%s\t\n", row.name, r.median("claimed").Milliseconds(), r.median("launched").Milliseconds(),
				r.median(readyStep).Milliseconds(), r.worst(readyStep).Milliseconds(), share)
			b.ReportMetric(float64(r.median(readyStep).Milliseconds()), "ms-to-ready-median")
			b.ReportMetric(float64(r.worst(readyStep).Milliseconds()), "ms-to-ready-worst")
			b.ReportMetric(0, "ns/op") // says nothing: it holds the session's end too
		})
	}
	_, err := fmt.Fprintf(os.Stdout, "\nmedians of %d sessions, one after another:\n", n)
	require.NoError(b, err)
	require.NoError(b, table.Flush())
}

const readyStep = string(events.Ready)

// once has one session come and go.
func (row readyRow) once(b *testing.B, s *stack.Stack, r *report) {
	b.Helper()
	stack.Eventually(b, startTime, func() string {
		list, err := s.Client.Agents(b.Context(), false)
		switch {
		case err != nil || len(list) == 0:
			return "an agent"
		case row.warm && (list[0].Warm == nil || *list[0].Warm == 0):
			return "an instance that waits"
		}
		return ""
	})
	time.Sleep(breath) // a measurement, not a test
	id := s.Create(client.CreateRequest{App: cmp.Or(row.app, "testcard")}).ID
	stack.Eventually(b, startTime, func() string { // with no process for each look, as History would be
		page, _, err := s.Client.Events(b.Context(), client.EventsQuery{Session: id, Limit: 100})
		if err == nil && slices.ContainsFunc(page, func(e events.Event) bool { return e.Is(events.Streamer, events.Ready) }) {
			return ""
		}
		return "the streamer's ready"
	})
	history := s.History(id)
	created := history[0].Time
	for _, e := range history {
		if slices.Contains([]events.Name{events.Claimed, events.Launched, events.Ready}, e.Name) {
			r.add(string(e.Name), e.Time.Sub(created))
		}
		if e.Name == events.Launched {
			var d events.LaunchedData
			require.NoError(b, e.Decode(&d))
			require.Equal(b, row.warm, d.Warm)
		}
	}
	require.NoError(b, s.Client.Delete(b.Context(), id, true))
}
