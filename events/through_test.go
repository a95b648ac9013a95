package events_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// lagging is a log whose Direct Gets are answered by a replica that has nothing yet.
func lagging(t *testing.T) (stale, whole *events.Log) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(within) {
		t.Fatal("the server is not ready")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	whole = eventstest.NewLog(t, nc, events.StreamsConfig{})
	if _, err := nc.Subscribe("stale", func(m *nats.Msg) {
		// The client library cannot write a status. Where this fails the reader waits in vain, and the test fails.
		c, err := net.Dial("tcp4", srv.Addr().String())
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		const none = "NATS/1.0 404 Message Not Found\r\n\r\n"
		_, _ = fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB %s %d %d\r\n%s\r\nPING\r\n", m.Reply, len(none), len(none), none)
		for r := bufio.NewReader(c); ; {
			if line, err := r.ReadString('\n'); err != nil || line == "PONG\r\n" {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(within); err != nil { // it answers from here on
		t.Fatal(err)
	}
	if err := srv.GlobalAccount().AddMapping("$JS.API.DIRECT.GET."+events.SessionsStream, "stale"); err != nil {
		t.Fatal(err)
	}
	other, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if stale, err = events.New(other, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return stale, whole
}

// Where a replica lags, nothing is left out up to the sequence that is known to be stored.
func TestReadThroughALaggingReplica(t *testing.T) {
	t.Parallel()
	stale, whole := lagging(t)
	var all []events.Seq
	for i := range 20 {
		all = append(all, mustAppend(t, whole, created(events.SessionID(fmt.Sprintf("s-%d", i%2)))))
	}
	read := func(fn func(func(events.Event) error) error) (seqs []events.Seq) {
		if err := fn(func(e events.Event) error { seqs = append(seqs, e.Sequence); return nil }); err != nil {
			t.Fatal(err)
		}
		return seqs
	}
	if got := read(func(fn func(events.Event) error) error {
		return stale.Read(t.Context(), events.SessionsStream, "", 1, fn)
	}); len(got) != 0 {
		t.Fatalf("the replica does not lag: it has %v", got)
	}
	rapid.Check(t, func(rt *rapid.T) {
		from, upTo := rapid.IntRange(0, 25).Draw(rt, "from"), rapid.IntRange(0, 25).Draw(rt, "up to")
		filter := rapid.SampledFrom([]string{"", events.SessionFilter(region, "s-0")}).Draw(rt, "filter")
		var want []events.Seq
		for i, seq := range all {
			if int(seq) >= from && int(seq) <= upTo && (filter == "" || i%2 == 0) {
				want = append(want, seq)
			}
		}
		got := read(func(fn func(events.Event) error) error {
			return stale.ReadThrough(t.Context(), events.SessionsStream, filter, events.Seq(from), events.Seq(upTo), fn)
		})
		if !slices.Equal(got, want) {
			rt.Fatalf("%v, not %v", got, want)
		}
	})
	stop := errors.New("stop")
	err := stale.ReadThrough(t.Context(), events.SessionsStream, "", 1, 5, func(events.Event) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("the reader's error became %v", err)
	}
}
