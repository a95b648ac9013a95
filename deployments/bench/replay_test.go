package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

// Sizes of the histories, and how often each reading is repeated.
const (
	replayEvents = 1_000_000
	replayLive   = 1000 // sessions that live at its end
	replayRounds = 5
	tailEvents   = 1000 // after the snapshot
	liveSessions = 10_000
	// liveSteps is how far a live session has come: connected.
	liveSteps     = 13
	endedSessions = 1_000_000
)

// line prints one measurement, beside what the project wants of it.
func line(b *testing.B, format string, args ...any) {
	b.Helper()
	_, err := fmt.Fprintf(os.Stdout, format+"\n", args...)
	require.NoError(b, err)
}

// best is the reading that the rest of the machine disturbed least; the two sides take turns, so that both have their
// chance.
func best(times []time.Duration) time.Duration { return slices.Min(times) }

func perSecond(n int, d time.Duration) int { return int(float64(n) / d.Seconds()) }

// dropAll reads the whole stream through the client library's ordered consumer and drops it: as fast as it gets.
func dropAll(b *testing.B, js jetstream.JetStream, last int) time.Duration {
	b.Helper()
	begin := time.Now()
	c, err := js.OrderedConsumer(b.Context(), events.SessionsStream, jetstream.OrderedConsumerConfig{})
	require.NoError(b, err)
	done, n := make(chan struct{}), 0
	consuming, err := c.Consume(func(jetstream.Msg) {
		if n++; n == last {
			close(done)
		}
	})
	require.NoError(b, err)
	<-done
	took := time.Since(begin)
	consuming.Stop()
	<-consuming.Closed()
	return took
}

// start brings up the read model as a gateway does, from a snapshot if there is one, and returns when it has caught up.
func start(b *testing.B, log *events.Log, last int) (*projections.Runner[*projections.Sessions], *projections.Keeper[*projections.Sessions], time.Duration) {
	b.Helper()
	begin := time.Now()
	r := projections.NewRunner("sessions", projections.NewSessions())
	k := projections.NewKeeper(r, events.SessionsStream, log, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	err := log.Tail(ctx, k.Resume(ctx), func(e events.Event) error {
		r.Apply(e)
		return nil
	}, nil, cancel)
	require.True(b, errors.Is(err, context.Canceled), "%v", err)
	took := time.Since(begin)
	require.EqualValues(b, last, r.At())
	return r, k, took
}

// BenchmarkReplay reads a million events into the sessions' read model and, beside it, through an ordered consumer that
// drops them; then it starts from a snapshot with a thousand events after it.
func BenchmarkReplay(b *testing.B) {
	nc := eventstest.Start(b).Connect(b)
	log := eventstest.NewLog(b, nc, events.StreamsConfig{})
	f := newFiller(b, nc)
	f.fillLives(replayEvents, replayLive)
	raw, full, resumed := []time.Duration{}, []time.Duration{}, []time.Duration{}
	var keeper *projections.Keeper[*projections.Sessions]
	for b.Loop() {
		if len(full) == replayRounds {
			continue // more rounds say nothing more
		}
		raw = append(raw, dropAll(b, log.JetStream(), f.sent))
		_, k, took := start(b, log, f.sent)
		keeper, full = k, append(full, took)
	}
	n := f.sent
	require.NoError(b, keeper.Save(b.Context()))
	f.fillLives(tailEvents, replayLive)
	for range replayRounds {
		_, _, took := start(b, log, f.sent)
		resumed = append(resumed, took)
	}
	ratio, part := best(raw).Seconds()/best(full).Seconds(), best(resumed).Seconds()/best(full).Seconds()
	line(b, "\nreplay of %d events: ordered consumer that drops them %d a second, sessions read model %d a second: %.2f of it (at least 0.50)",
		n, perSecond(n, best(raw)), perSecond(n, best(full)), ratio)
	line(b, "start: whole log %s, snapshot and %d events after it %s: %.1f %% of it (at most 3 %%)",
		best(full).Round(time.Millisecond), f.sent-n, best(resumed).Round(100*time.Microsecond), 100*part)
	b.ReportMetric(ratio, "of-raw-replay")
	b.ReportMetric(100*part, "%-of-full-start")
	b.ReportMetric(0, "ns/op")
}

// heap is how many bytes live things take.
func heap() int {
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// modelBytes is what the read model of a log takes, by what its end sets free. The server ends before: its caches, which
// the reading fills, come and go by their own clock.
func modelBytes(b *testing.B, srv *eventstest.Server, log *events.Log, last, sessions int) int {
	b.Helper()
	r, _, _ := start(b, log, last)
	log.Conn().Close()
	srv.Stop()
	r.Read(func(m *projections.Sessions) { require.Len(b, m.List(), sessions) })
	with := heap()
	runtime.KeepAlive(r)
	return with - heap()
}

// BenchmarkMemory measures what live and ended sessions take in the read model, and ended ones in the NATS server that
// runs in this process.
func BenchmarkMemory(b *testing.B) {
	srv := eventstest.Start(b)
	nc := srv.Connect(b)
	log := eventstest.NewLog(b, nc, events.StreamsConfig{})
	f := newFiller(b, nc)
	for range liveSessions {
		for l := newLife(); l.at < liveSteps; {
			l.step(f)
		}
	}
	f.wait()
	perLive := modelBytes(b, srv, log, f.sent, liveSessions) / liveSessions
	line(b, "\nmemory: %d bytes a live session in the sessions read model (at most 2048)", perLive)
	b.ReportMetric(float64(perLive), "B/live")

	srv = eventstest.Start(b)
	nc = srv.Connect(b)
	log = eventstest.NewLog(b, nc, events.StreamsConfig{})
	f = newFiller(b, nc)
	before := heap()
	for range endedSessions {
		f.fillEnded()
	}
	f.wait()
	server := heap() - before
	model := modelBytes(b, srv, log, f.sent, 0)
	line(b, "memory: %d ended sessions: the read model grew by %.1f MiB (at most 32), the NATS server by %.0f MiB for %d kept subjects, %d bytes each",
		endedSessions, float64(model)/(1<<20), float64(server)/(1<<20), f.sent, server/f.sent)
	b.ReportMetric(float64(model)/(1<<20), "MiB-for-1M-ended")
	b.ReportMetric(0, "ns/op")
	for b.Loop() {
		continue // one measurement is enough
	}
}
