package bench

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// What a round of the list's benchmark asks for, and among how many sessions.
const (
	listedSessions = 100_000
	listRound      = 100
)

// listQueries are pages of 100: of all sessions and of those of one status, by texts that all share and by texts that
// each has for itself, the first page and one in the middle.
var listQueries = []string{
	"status=error&sort_by=id&sort_order=desc",
	"status=active&sort_by=app&offset=30000",
	"status=active&sort_by=container_id&sort_order=desc",
	"sort_by=created_at&sort_order=desc",
	"sort_by=id&offset=50000",
	"sort_by=cluster_id&sort_order=desc",
	"sort_by=status_message",
}

// BenchmarkList asks a gateway with 100,000 sessions for pages of its list, while 100 events a second come in.
func BenchmarkList(b *testing.B) {
	l := serve(b, "interval")
	fillListed(b, l)
	a := startGateway(b, l)
	settled(b, l)
	require.NoError(b, a.ask(b.Context(), http.MethodGet, "/1.0/sessions?limit=1", "", http.StatusOK))
	stop := trickle(b, l)
	defer stop()
	took := map[string]samples{}
	for b.Loop() {
		for _, q := range listQueries {
			s := took[q]
			for range listRound {
				s.time(func() {
					require.NoError(b, a.ask(b.Context(), http.MethodGet, "/1.0/sessions?recursion=true&limit=100&"+q, "", http.StatusOK))
				})
			}
			took[q] = s
		}
	}
	rows := make([]row, 0, len(listQueries))
	for _, q := range listQueries {
		rows = append(rows, row{q, "us", took[q].micros(99), 10_000, atMost(1)})
		b.ReportMetric(took[q].micros(50), "us-p50/"+q)
	}
	require.NoError(b, printRows(os.Stdout, fmt.Sprintf("a page of 100 objects among %d sessions, %d times each:", listedSessions, b.N*listRound), "p99", "10 ms", rows))
	b.ReportMetric(0, "ns/op") // a round is no operation
}

// fillListed appends sessions that stay in the list as they are: half of them stream for as long as they like, the others
// have failed, or have ended and are kept. None has a deadline.
func fillListed(b *testing.B, l served) {
	b.Helper()
	f := newFiller(b, l.Conn())
	const machines = 50
	for i := range machines {
		beat(b, l, machine(i))
	}
	never := 0
	for i := range listedSessions {
		x, agent := newLife(), machine(i%machines)
		f.append(x.id, events.Gateway, events.Created, events.CreatedData{App: []string{"testcard", "xterm", "chromium"}[i%3], Account: "local", IdleTimeMin: &never})
		if i%4 == 0 {
			f.append(x.id, events.Gateway, events.Expired, events.EndedData{Reason: "no agent took the session within 5 minutes"})
			continue
		}
		f.append(x.id, events.Agent, events.Claimed, events.ClaimedData{Agent: agent, Attempt: 1})
		if i%4 == 1 {
			f.append(x.id, events.Agent, events.Failed, events.FailedData{Attempt: 1, Part: "application", Reason: fmt.Sprintf("exited with code %d", i%200)})
			continue
		}
		f.append(x.id, events.Agent, events.Launched, events.LaunchedData{Attempt: 1, Instance: string(x.id)})
		f.append(x.id, events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"H264"}})
	}
	f.wait()
}

func machine(i int) events.AgentID { return events.AgentID(fmt.Sprint("machine-", i)) }

// settled waits until the process managers have worked off what was filled in.
func settled(b *testing.B, l served) {
	b.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for _, name := range []string{"gateway-dispatch", "gateway-deadlines"} {
		for {
			c, err := l.JetStream().Consumer(b.Context(), events.SessionsStream, name)
			require.NoError(b, err)
			info := c.CachedInfo()
			if info.NumPending == 0 && info.NumAckPending == 0 {
				break
			}
			require.True(b, time.Now().Before(deadline), "%s has %d events to do", name, info.NumPending)
			time.Sleep(100 * time.Millisecond) // a benchmark's preparation, not a test's wait
		}
	}
}

// trickle appends events of new sessions until stop, as a gateway in use has them.
func trickle(b *testing.B, l served) (stop func()) {
	b.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				x := newLife()
				_, err := l.Append(b.Context(), events.NewDraft(region, x.id, events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true}))
				if err != nil {
					b.Error(err)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}
