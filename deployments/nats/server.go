// Package natsd runs a nats-server inside this process: the engine of `streamstack up`, where a cluster of its own would be
// too much. JetStream keeps its streams in files; clients come over TCP, and what runs in this process through a pipe.
//
// It runs in operator mode: it trusts users whose JWTs are signed with the keys of the data folder (package events/trust),
// and knows nobody else. What an external nats-server takes to do the same, `streamstack credentials server-config` prints.
package natsd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"streamstack/events/connect"
	"streamstack/events/trust"
)

// Figures of the server.
const (
	// maxPayload is the longest message in bytes: NATS's own default, spelt out since events are checked against less.
	maxPayload = 1 << 20
	// syncInterval is how much a power cut may cost with SyncInterval; the end of a process, however sudden, costs nothing.
	syncInterval = 5 * time.Second

	// listenFlag is the flag of `up` that Config.Listen comes from; messages name it.
	listenFlag = "--nats-listen"
)

// The values of Config.Sync.
const (
	SyncAlways   = "always"   // every write is on disk before it is acknowledged
	SyncInterval = "interval" // every 5 s
)

// Config says how the server runs.
type Config struct {
	// Listen is HOST:PORT; port 0 picks a free one.
	Listen string
	// StoreDir is the folder of the streams and of the accounts' JWTs. It is made when missing.
	StoreDir string
	// Trust holds the keys whose users are let in.
	Trust *trust.Authority
	// Sync is SyncAlways or SyncInterval; empty means SyncInterval.
	Sync string
	Log  *slog.Logger
}

// Server is a nats-server in this process. Its methods are safe for concurrent use.
type Server struct {
	ns   *server.Server
	lock *os.File
	host string // that a client on this machine dials
}

// Start runs a server and returns once it accepts connections. It ends with [Server.Shutdown], not with ctx, which bounds
// the start alone: reading a large store back takes its time. The server takes no signals.
func Start(ctx context.Context, c Config) (*Server, error) {
	o, err := options(c)
	if err != nil {
		return nil, err
	}
	lock, err := prepareStore(c.StoreDir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, host: dialHost(o.Host)}
	if err := s.start(ctx, o, c); err != nil {
		_ = lock.Close() // the lock goes with the descriptor, whatever Close says
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, o *server.Options, c Config) error {
	err := operatorMode(o, c)
	if err != nil {
		return err
	}
	if s.ns, err = server.NewServer(o); err != nil {
		return fmt.Errorf("natsd: %w", err)
	}
	logs := &bridge{log: c.Log}
	s.ns.SetLoggerV2(logs, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		s.ns.Start() // returns once it listens, or has said why it cannot
	}()
	select {
	case <-started:
	case <-ctx.Done():
		// Start cannot be interrupted; its end is waited for, so that nothing writes to the store after we returned.
		s.ns.Shutdown()
		<-started
		s.ns.WaitForShutdown()
		return fmt.Errorf("natsd: start: %w", ctx.Err())
	}
	if f := logs.failure(); f != nil {
		s.ns.Shutdown()
		s.ns.WaitForShutdown()
		return startError(c, f)
	}
	return nil
}

// options are the nats-server's, all but whom it trusts.
func options(c Config) (*server.Options, error) {
	host, portText, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("natsd: %s %q is no address: write HOST:PORT, 127.0.0.1:0 for a free port", listenFlag, c.Listen)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("natsd: %s %q has no port between 0 and 65535", listenFlag, c.Listen)
	}
	o := &server.Options{
		ServerName: "streamstack", Host: host, Port: int(port),
		NoSigs: true, DisableJetStreamBanner: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: c.StoreDir, SyncInterval: syncInterval,
	}
	if port == 0 {
		o.Port = server.RANDOM_PORT
	}
	switch c.Sync {
	case SyncAlways:
		o.SyncAlways = true
	case SyncInterval, "":
	default:
		return nil, fmt.Errorf("natsd: --sync %q is unknown: use %s or %s", c.Sync, SyncAlways, SyncInterval)
	}
	return o, nil
}

// dialHost is where a client on this machine finds a server that listens on host.
func dialHost(host string) string {
	ip := net.ParseIP(host)
	switch {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return "::1"
	default:
		return host
	}
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.ns.Addr() }

// ClientURL is what a client on this machine connects to. There is no secret in it: credentials come beside it.
func (s *Server) ClientURL() string {
	u := url.URL{Scheme: "nats", Host: s.host}
	if a, ok := s.ns.Addr().(*net.TCPAddr); ok {
		u.Host = net.JoinHostPort(s.host, strconv.Itoa(a.Port))
	}
	return u.String()
}

// InProcess makes a connection to [Server.ClientURL] run through a pipe instead of TCP.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(pipe{s.ns}) }

// pipe makes connections that last as those over TCP do.
type pipe struct{ ns *server.Server }

// InProcessConn implements [nats.InProcessConnProvider].
func (p pipe) InProcessConn() (net.Conn, error) {
	conn, err := p.ns.InProcessConn()
	if err != nil {
		return nil, fmt.Errorf("natsd: %w", err)
	}
	return connect.Lasting(conn), nil
}

// Shutdown ends the server and returns once its store is closed, or fails when ctx ends first; the store is then being
// closed still. Connections that reconnect should be closed before.
func (s *Server) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ns.Shutdown()
		s.ns.WaitForShutdown()
		_ = s.lock.Close() // the lock goes with the descriptor, whatever Close says
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("natsd: the server has not ended in time: %w", ctx.Err())
	}
}
