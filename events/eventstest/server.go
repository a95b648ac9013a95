// Package eventstest gives tests a real NATS server in the test's own process, with JetStream on disk.
//
// A test that only needs a log calls [Log]. One that needs the connection as another component would have it calls
// [Start] and [Server.Connect]; such a server can be stopped and started again with the same port and the same data.
// [StartCluster] makes three servers that hold each stream three times. Everything ends by the test's Cleanup.
package eventstest

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"streamstack/events"
)

// Figures of the servers under test.
const (
	// readyWithin bounds a server's start; a race build on a busy machine needs seconds for three of them.
	readyWithin = 30 * time.Second
	// reconnectWait is how long a connection of [Server.Connect] waits between two attempts; it never gives up.
	reconnectWait = 20 * time.Millisecond
	storeLimit    = 4 << 30
	memoryLimit   = 256 << 20
)

// Server is a NATS server that can be stopped and started again. Its methods are for one goroutine.
type Server struct {
	t    testing.TB
	opts *server.Options
	srv  *server.Server
}

// Start starts a server on a free port of a loopback address of its own, with its data in the test's temporary folder.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartAt(t, t.TempDir(), server.RANDOM_PORT)
}

// StartAt starts a server on a port of a loopback address of its own with its data in dir. Port -1 takes a free one.
func StartAt(t testing.TB, dir string, port int) *Server {
	t.Helper()
	s := &Server{t: t, opts: options(dir, port)}
	t.Cleanup(s.Stop)
	s.run()
	return s
}

func options(dir string, port int) *server.Options {
	return &server.Options{
		Host: Loopback(), Port: port, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: dir, JetStreamMaxStore: storeLimit, JetStreamMaxMemory: memoryLimit,
	}
}

func (s *Server) run() {
	s.t.Helper()
	srv, err := server.NewServer(s.opts.Clone())
	if err != nil {
		s.t.Fatalf("eventstest: nats-server: %v", err)
	}
	s.srv = srv
	srv.Start()
	if !srv.ReadyForConnections(readyWithin) {
		s.t.Fatalf("eventstest: the NATS server was not ready within %s", readyWithin)
	}
	s.opts.Port = port(s.t, srv.Addr()) // and so it stays over a restart
}

func port(t testing.TB, a net.Addr) int {
	t.Helper()
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		t.Fatalf("eventstest: %v is no TCP address", a)
	}
	return tcp.Port
}

// Stop ends the server and its connections, and waits until its files are closed. Stopping twice is fine.
func (s *Server) Stop() {
	if s.srv != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
		s.srv = nil
	}
}

// Restart stops the server if it runs, and starts it with the same port and data.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.run()
}

// URL is where clients connect; it stays the same over a restart.
func (s *Server) URL() string { return "nats://" + s.Address() }

// Address is the same as host and port.
func (s *Server) Address() string { return net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port)) }

// Dir is the folder of the server's data.
func (s *Server) Dir() string { return s.opts.StoreDir }

// Connect connects to the server as a component does: it reconnects for ever, quickly. t is the test that the
// connection ends with; options come after the ones set here.
func (s *Server) Connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return connect(t, s.URL(), opts...)
}

func connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(0, 0), nats.Timeout(5 * time.Second),
	}, opts...)...)
	if err != nil {
		t.Fatalf("eventstest: connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Conn starts a server and returns a connection to it. It has no streams yet.
func Conn(t testing.TB) *nats.Conn {
	t.Helper()
	return Start(t).Connect(t)
}

// Log starts a server and returns a log on it, with all streams made.
func Log(t testing.TB, opts ...events.Option) *events.Log {
	t.Helper()
	return NewLog(t, Conn(t), events.StreamsConfig{}, opts...)
}

// NewLog makes the streams and returns a log on a connection that is there already.
func NewLog(t testing.TB, nc *nats.Conn, c events.StreamsConfig, opts ...events.Option) *events.Log {
	t.Helper()
	l, err := events.New(nc, slog.New(slog.DiscardHandler), opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	if err := events.CreateStreams(ctx, l.JetStream(), c); err != nil {
		t.Fatal(err)
	}
	return l
}

// Wait polls until missing returns nothing, and fails the test with its last answer after the time allowed: a person
// then reads what was still missing.
func Wait(t testing.TB, within time.Duration, missing func() string) {
	t.Helper()
	const every = 5 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.Now().Add(within); ; {
		last := time.Now().After(end) // so that a machine which stood still gets one look more
		what := missing()
		if what == "" {
			return
		}
		if last {
			t.Fatalf("still missing after %s: %s", within, what)
		}
		<-tick.C
	}
}
