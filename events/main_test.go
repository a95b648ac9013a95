package events_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// within bounds every wait of these tests; on an idle machine all of them take far less.
const within = 60 * time.Second

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"
)

// TestMain checks that the tests together leave no goroutine behind. With childDir set the test binary is a NATS server
// instead, for a test that kills it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveChild(dir, os.Getenv(childAddress))
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		os.Exit(code) // the fuzzer's own goroutines stay
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop() // not run when the test binary exits, and then not needed
	for end := time.Now().Add(within); code == 0 && runtime.NumGoroutine() > before; <-tick.C {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines left behind: %d, there were %d\n%s\n",
				runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// The environment that makes a child of this test binary a NATS server.
const (
	childDir     = "EVENTS_TEST_SERVER_DIR"
	childAddress = "EVENTS_TEST_SERVER_ADDRESS"
)

func serveChild(dir, address string) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		os.Exit(1)
	}
	s, err := server.NewServer(&server.Options{Host: at.Addr().String(), Port: int(at.Port()), NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		os.Exit(1)
	}
	s.Start()
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // the end of the parent ends the child
	os.Exit(0)
}

// created is a lifecycle event's draft, candidate a short-lived one's.
func created(id events.SessionID) events.Draft {
	return events.NewDraft(region, id, events.Gateway, events.Created, events.CreatedData{App: "testcard"})
}

func candidate(id events.SessionID) events.Draft {
	return events.NewDraft(region, id, events.Client, events.Candidate, events.CandidateData{Peer: "p", Candidate: "c"})
}

func mustAppend(t testing.TB, l *events.Log, d events.Draft) events.Seq {
	t.Helper()
	return eventstest.Append(t, l, d)
}

// collector keeps what a reader hands on; it is read while the reader runs.
type collector struct {
	mu   sync.Mutex
	list []events.Event
}

func newCollector() *collector { return &collector{} }

func (c *collector) add(e events.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, e)
	return nil
}

func (c *collector) events() []events.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

func (c *collector) last() events.Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == 0 {
		return 0
	}
	return c.list[len(c.list)-1].Sequence
}

func (c *collector) seqs() []events.Seq {
	var s []events.Seq
	for _, e := range c.events() {
		s = append(s, e.Sequence)
	}
	return s
}

// spawn runs a reader until stop, which joins it and fails the test unless it ended by its context.
func spawn(t testing.TB, read func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- read(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the reader ended with %v", err)
			}
		case <-time.After(within):
			t.Errorf("the reader did not end within %s of its context", within)
		}
	}
	t.Cleanup(stop)
	return stop
}

// tailing starts a Tail into a collector; live is closed when it has first caught up.
func tailing(t testing.TB, l *events.Log, after events.Seq) (c *collector, live <-chan struct{}, stop func()) {
	t.Helper()
	c = newCollector()
	caught, closed := make(chan struct{}), false
	stop = spawn(t, func(ctx context.Context) error {
		return l.Tail(ctx, after, c.add, nil, func() {
			if !closed {
				closed = true
				close(caught)
			}
		})
	})
	return c, caught, stop
}

// stored reads the whole stream as it is now.
func stored(t testing.TB, l *events.Log) []events.Event {
	t.Helper()
	c := newCollector()
	if err := l.Read(t.Context(), events.SessionsStream, "", 0, c.add); err != nil {
		t.Fatal(err)
	}
	return c.events()
}
