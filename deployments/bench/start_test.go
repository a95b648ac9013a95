package bench

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/sockets"
	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/console/browsertest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(sockets.RoleVariable); role != "" { // this is a part of BenchmarkSockets
		if err := sockets.Run(context.Background(), role, os.Stdin, os.Stdout); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, role, err) // nobody else can be told
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	stack.Cleanup()
	os.Exit(code)
}

// startTime bounds one session's start.
const startTime = 60 * time.Second

// BenchmarkStart starts sessions one after another through the console, and prints the median and the worst time from
// the POST to each event and to the first decoded frame. The first session, which fills caches, is not counted.
func BenchmarkStart(b *testing.B) {
	s := stack.Up(b, stack.DataDir(b))
	page := browsertest.Open(b)
	page.Navigate(s.Console(""))
	page.Wait(`document.querySelector('#applications [data-start="testcard"]')`, "the applications")
	var r report
	once(b, s, page, &report{})
	for b.Loop() {
		once(b, s, page, &r)
	}
	_, err := fmt.Fprintf(os.Stdout, "\n%d sessions of testcard, 1280x720 at 30 frames a second, one after another:\n", b.N)
	require.NoError(b, err)
	require.NoError(b, r.print(os.Stdout))
	b.ReportMetric(float64(r.median(firstFrame).Milliseconds()), "ms-to-frame-median")
	b.ReportMetric(float64(r.worst(firstFrame).Milliseconds()), "ms-to-frame-worst")
	b.ReportMetric(0, "ns/op") // says nothing: it holds the session's end too
}

const firstFrame = "first decoded frame"

// once starts a session, notes when what happened, and ends it.
func once(b *testing.B, s *stack.Stack, page *browsertest.Browser, r *report) {
	b.Helper()
	// The page's clock, the log's and this program's are the same one: all run on this machine.
	var t struct {
		Begin, Frame float64
		Session      events.SessionID
	}
	page.Eval(`(async () => {
		const video = streamstack.video;
		const frame = new Promise((done) => video.requestVideoFrameCallback(() => done(Date.now())));
		const fetched = window.fetch; let begin = 0;
		window.fetch = (url, options) => {
			if (options?.method === 'POST') { begin = performance.timeOrigin + performance.now(); window.fetch = fetched; }
			return fetched(url, options);
		};
		document.querySelector('#applications [data-start="testcard"]').click();
		const shown = await Promise.race([frame, new Promise((_, fail) => setTimeout(() => fail(new Error('no frame: ' + document.querySelector('#status').textContent)), `+fmt.Sprint(startTime.Milliseconds())+`))]);
		return {Begin: begin, Frame: shown, Session: streamstack.session};
	})()`, &t)
	begin := time.UnixMicro(int64(t.Begin * 1000))
	s.Await(t.Session, events.Streamer, events.Connected)
	seen := map[string]bool{}
	for _, e := range s.History(t.Session) {
		name := string(e.Actor) + "." + string(e.Name)
		if !seen[name] && e.Name != events.Detached {
			seen[name] = true
			r.add(name, e.Time.Sub(begin))
		}
	}
	r.add(firstFrame, time.UnixMicro(int64(t.Frame*1000)).Sub(begin))
	require.NoError(b, s.Client.Delete(b.Context(), t.Session, true))
	page.Wait(`['ended', 'idle', 'error'].includes(streamstack.state)`, "the end in the page")
}
