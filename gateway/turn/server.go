package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun"
	pion "github.com/pion/turn/v2"
	"golang.org/x/time/rate"
)

const (
	// DefaultRealm is the realm where none is configured (RFC 8489, section 9.2).
	DefaultRealm = "streamstack"

	// DefaultQuota is how many allocations one user may hold: a browser makes one per network interface and TURN URL, and
	// holds those of the connection before for a while.
	DefaultQuota = 12

	// maxStreams is how many TCP connections are served at once; each takes a goroutine and a few kilobytes.
	maxStreams = 1024

	// acceptPause is how long accepting rests after it failed, which happens when file descriptors have run out.
	acceptPause = 100 * time.Millisecond

	// logInterval keeps what a stranger can cause from flooding the log: one line of a kind in this time.
	logInterval = time.Second
)

// Config is what a server needs to know.
type Config struct {
	Addr         string          // host:port for UDP and TCP alike; port 0 picks one that is free for both
	TLS          *tls.Config     // if not nil, TCP clients may speak TLS as well, on the same port (`turns:`, RFC 7065)
	Secrets      []Secret        // the current shared secret and, while it is being replaced, the one before
	SecretsNow   func() []Secret // if not nil, in place of Secrets, as they are at the moment
	Realm        string          // default DefaultRealm
	RelayIP      netip.Addr      // IPv4 address of relays as clients are told; default: Addr's, or this machine's first
	PeerNetworks []netip.Prefix  // where relays may reach peers; see LocalNetworks. Empty: nowhere
	PortMin      uint16          // first port of relays; 0 with PortMax 0: any
	PortMax      uint16          // last port of relays
	QuotaPerUser int             // allocations of one user at a time; default DefaultQuota
	Log          *slog.Logger    // default: no logs
	Now          func() time.Time
}

// Server is a STUN and TURN server on one UDP and one TCP socket. Its methods may be called from several goroutines.
type Server struct {
	log      *slog.Logger
	realm    string
	secrets  func() []Secret
	now      func() time.Time
	networks allowList
	quota    *quota
	relays   relays

	refusals, denials rate.Sometimes // what to log of what strangers can cause

	udp     net.PacketConn
	tcp     net.Listener
	tls     *tls.Config    // nil: plain TCP only
	running sync.WaitGroup // the accepting goroutine, transports that pion reads from, and open relays
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	streams map[*guard]struct{} // open TCP connections
}

// Listen starts a server. It runs until Close, or until ctx ends.
//
// When Addr's port is in use the error names the flag --turn-listen.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	server, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	ctx, server.stop = context.WithCancel(ctx)
	server.relays.listen = newListen(ctx)
	if server.udp, server.tcp, err = listenBoth(ctx, cfg.Addr); err != nil {
		server.stop()
		return nil, err
	}
	if server.relays.public, err = relayIP(cfg.RelayIP, server.Addr().Addr()); err == nil {
		err = server.serve(server.udp, false)
	}
	if err != nil {
		server.stop()
		return nil, errors.Join(err, server.udp.Close(), server.tcp.Close())
	}
	server.running.Go(func() { server.accept(ctx) })
	context.AfterFunc(ctx, server.shut)
	server.log.Info("turn: listening", "addr", server.Addr().String(), "relay", server.relays.public.String(),
		"bind", server.relays.bind.String(), "peers", fmt.Sprint(cfg.PeerNetworks))
	return server, nil
}

// newServer checks the configuration and fills in what it leaves open.
func newServer(cfg Config) (*Server, error) {
	secrets := cfg.SecretsNow
	if secrets == nil {
		secrets = func() []Secret { return cfg.Secrets }
	}
	if err := checkSecrets(secrets()); err != nil {
		return nil, err
	}
	networks, err := newAllowList(cfg.PeerNetworks)
	if err != nil {
		return nil, err
	}
	if cfg.PortMin > cfg.PortMax || (cfg.PortMin == 0) != (cfg.PortMax == 0) {
		return nil, fmt.Errorf("turn: the port range %d-%d is empty", cfg.PortMin, cfg.PortMax)
	}
	server := &Server{
		log: cfg.Log, realm: cfg.Realm, secrets: secrets, now: cfg.Now, networks: networks,
		relays:   relays{bind: netip.IPv4Unspecified(), portMin: cfg.PortMin, portMax: cfg.PortMax},
		refusals: rate.Sometimes{Interval: logInterval},
		denials:  rate.Sometimes{Interval: logInterval},
		streams:  make(map[*guard]struct{}),
	}
	if cfg.TLS != nil {
		server.tls = secured(cfg.TLS)
	}
	if server.log == nil {
		server.log = slog.New(slog.DiscardHandler)
	}
	if server.realm == "" {
		server.realm = DefaultRealm
	}
	if server.now == nil {
		server.now = time.Now
	}
	if networks.loopbackOnly() {
		server.relays.bind = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	limit := cfg.QuotaPerUser
	if limit == 0 {
		limit = DefaultQuota
	}
	server.quota = newQuota(limit)
	return server, nil
}

// Addr returns the address that the server listens on, for UDP and TCP.
func (s *Server) Addr() netip.AddrPort {
	addr, ok := s.udp.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
}

// ClientAddr returns host:port for the ICE servers of an answer: Addr, or the relays' address where Addr is the
// unspecified one.
func (s *Server) ClientAddr() string {
	addr := s.Addr()
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(s.relays.public, addr.Port())
	}
	return addr.String()
}

// Allocations returns how many allocations there are.
func (s *Server) Allocations() int { return s.quota.total() }

// Close ends all relays and connections and waits until they have ended. Calls after the first only wait.
func (s *Server) Close() error {
	s.shut()
	s.running.Wait()
	return nil
}

// shut closes every socket, which ends the goroutines that read from them.
func (s *Server) shut() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	closers := []io.Closer{s.udp, s.tcp}
	for stream := range s.streams {
		closers = append(closers, stream.PacketConn)
	}
	for _, closer := range closers {
		if err := closer.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("turn: close", "error", err)
		}
	}
}

// accept serves TCP connections until the listener is closed.
func (s *Server) accept(ctx context.Context) {
	for {
		conn, err := s.tcp.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.log.Warn("turn: cannot accept a TCP connection", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptPause):
			}
		default:
			if s.tls != nil {
				conn = &eitherConn{Conn: conn, config: s.tls}
			}
			if err := s.serve(pion.NewSTUNConn(conn), true); err != nil {
				s.refusals.Do(func() { s.log.Warn("turn: refused", "client", conn.RemoteAddr().String(), "error", err) })
				_ = conn.Close() // its client is told nothing more
			}
		}
	}
}

// serve hands a transport to a pion server of its own.
func (s *Server) serve(conn net.PacketConn, stream bool) error {
	transport := &guard{PacketConn: conn, server: s, stream: stream, relays: make(map[string]*relay)}
	if err := s.remember(transport); err != nil {
		return err
	}
	s.running.Add(1)
	if err := transport.serve(pionLog{log: s.log}); err != nil {
		s.forget(transport)
		s.running.Done()
		return err
	}
	return nil
}

// remember notes a TCP connection, so that shut can close it.
func (s *Server) remember(transport *guard) error {
	if !transport.stream {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if len(s.streams) >= maxStreams {
		return fmt.Errorf("turn: %d TCP connections are open already", maxStreams)
	}
	s.streams[transport] = struct{}{}
	return nil
}

func (s *Server) forget(transport *guard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, transport)
}

// allows reports whether relays may reach a peer, by its address as STUN carried it: 4 bytes for IPv4, 16 for IPv6.
func (s *Server) allows(ip net.IP) bool {
	peer, ok := netip.AddrFromSlice(ip)
	return ok && s.networks.allows(peer)
}

// signingKey returns the key of the secret that a request was signed with (RFC 8489, section 9.2.2).
func (s *Server) signingKey(username string, request *stun.Message) ([]byte, bool) {
	for _, secret := range s.secrets() {
		key := pion.GenerateAuthKey(username, s.realm, secret.password(username))
		if stun.MessageIntegrity(key).Check(request) == nil {
			return key, true
		}
	}
	return nil, false
}
