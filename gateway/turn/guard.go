package turn

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/stun"
	pion "github.com/pion/turn/v2"
)

const (
	// loginTimeout is how long a TCP connection may stay without an allocation: a client needs two round trips for one.
	loginTimeout = 30 * time.Second

	// silenceTimeout is how long a TCP connection with an allocation may stay silent: the longest lifetime that an
	// allocation has without a refresh (RFC 8656, section 7.2).
	silenceTimeout = time.Hour
)

// errFraming ends a TCP connection on which pion's framing would no longer make progress.
var errFraming = errors.New("turn: a frame without length")

// guard stands between one transport (the UDP socket, or one TCP connection) and the pion server that serves it.
//
// pion/turn v2 asks for a user's key by name, and knows neither two secrets, nor quotas, nor whose an allocation is. It
// handles a transport's datagrams one after another in a single goroutine, though: it reads one, asks authenticate
// for the key, and makes the allocation, all before it reads the next. The guard remembers the datagram and its user
// in between, and answers these questions exactly. That is why every TCP connection has a pion server of its own;
// it also frees a connection's allocations with the connection.
type guard struct {
	net.PacketConn
	server *Server
	stream bool // a TCP connection: time limits apply, and it is closed when reading fails

	// What is being handled; of the reading goroutine alone.
	datagram []byte
	user     user
	client   string

	mu     sync.Mutex
	relays map[string]*relay // by client address: the allocation made from there
}

// user is the holder of credentials.
type user struct {
	name string // as in the request: `<expiry>:<id>`
	id   string // whom the credentials were issued for
}

// ReadFrom implements net.PacketConn for the pion server, the only reader.
func (g *guard) ReadFrom(p []byte) (int, net.Addr, error) {
	g.datagram = nil
	if g.stream {
		if err := g.SetReadDeadline(time.Now().Add(g.patience())); err != nil {
			return 0, nil, g.end(err)
		}
	}
	n, from, err := g.PacketConn.ReadFrom(p)
	if err == nil && n == 0 && g.stream {
		// A STUN length close to 64 KiB makes pion's framing wrap around to nothing, over and over.
		err = errFraming
	}
	if err != nil {
		return 0, nil, g.end(err)
	}
	g.datagram = p[:min(n, len(p))]
	return n, from, nil
}

// end is called once, when pion's read loop is about to return.
func (g *guard) end(err error) error {
	defer g.server.running.Done()
	if g.stream {
		g.server.forget(g)
		_ = g.PacketConn.Close() // the reading error says more
	} else if !errors.Is(err, net.ErrClosed) {
		g.server.log.Error("turn: the UDP listener failed, relaying over UDP has ended: restart the server", "error", err)
	}
	return err
}

// patience is how long to wait for the next frame.
func (g *guard) patience() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.relays) == 0 {
		return loginTimeout
	}
	return silenceTimeout
}

// authenticate implements pion.AuthHandler. Beyond what pion asks (the key of a user) it finds out which of the secrets
// signed the request, refuses expired credentials for new allocations, and lets nobody touch an allocation of
// somebody else. An allocation outlives its credentials: the client has no way to renew them.
func (g *guard) authenticate(username, realm string, from net.Addr) (key []byte, ok bool) {
	request := &stun.Message{Raw: slices.Clone(g.datagram)}
	if err := request.Decode(); err != nil {
		return nil, false
	}
	log := g.server.log.With("client", from.String(), "username", username)
	expiry, id, err := parseUsername(username)
	if err != nil || realm != g.server.realm {
		g.server.refusals.Do(func() { log.Warn("turn: refused: the user name or realm is not one this server gives out") })
		return nil, false
	}
	key, ok = g.server.signingKey(username, request)
	if !ok {
		g.server.refusals.Do(func() {
			log.Warn("turn: refused: wrong password: are the secrets of the gateway and of this server the same?")
		})
		return nil, false
	}
	owner := g.owner(from.String())
	if owner != "" && owner != username {
		g.server.refusals.Do(func() { log.Warn("turn: refused: the allocation belongs to another user") })
		return nil, false
	}
	if now := g.server.now(); owner == "" && !now.Before(expiry) {
		log.Warn("turn: refused: the credentials have expired: join the session again for new ones",
			"expired", expiry.UTC().Format(time.RFC3339), "ago", now.Sub(expiry).Round(time.Second))
		return nil, false
	}
	g.user, g.client = user{name: username, id: id}, from.String()
	return key, true
}

// owner returns the name of the user whose allocation was made from a client address, or "".
func (g *guard) owner(client string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if held := g.relays[client]; held != nil {
		return held.user.name
	}
	return ""
}

// permit implements pion.PermissionHandler.
func (g *guard) permit(client net.Addr, ip net.IP) bool {
	if g.server.allows(ip) {
		return true
	}
	log := g.server.log.With("client", client.String(), "peer", ip.String())
	if ip.To4() == nil {
		log.Debug("turn: denied: relays are IPv4") // nothing to put right: most peers have both kinds of address
		return false
	}
	g.server.denials.Do(func() {
		log.Warn("turn: denied: the peer's network is not one that relays may reach (add it with --turn-peers)")
	})
	return false
}

// Validate implements pion.RelayAddressGenerator; there is nothing left to check.
func (g *guard) Validate() error { return nil }

// AllocatePacketConn implements pion.RelayAddressGenerator: a relay for the user whose request is being handled.
func (g *guard) AllocatePacketConn(network string, port int) (net.PacketConn, net.Addr, error) {
	holder, client := g.user, g.client
	if !g.server.quota.take(holder.id) {
		g.server.refusals.Do(func() {
			g.server.log.Warn("turn: refused: the user holds as many allocations as it may",
				slog.String("client", client), slog.String("username", holder.name), slog.Int("quota", g.server.quota.limit))
		})
		return nil, nil, fmt.Errorf("turn: quota of %d allocations reached", g.server.quota.limit)
	}
	conn, err := g.server.relays.open(network, port)
	if err != nil {
		g.server.quota.give(holder.id)
		g.server.log.Error("turn: no relay", "error", err)
		return nil, nil, err
	}
	made := &relay{PacketConn: conn, guard: g, user: holder, client: client}
	g.server.running.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.relays[client] = made
	return made, g.server.relays.advertised(conn), nil
}

// AllocateConn implements pion.RelayAddressGenerator. Relays to peers over TCP (RFC 6062) are not offered: WebRTC's
// browsers do not ask for them.
func (g *guard) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errors.New("turn: relays over TCP (RFC 6062) are not offered")
}

// serve starts a pion server on the transport; it ends when reading from the transport fails.
func (g *guard) serve(logger pionLog) error {
	_, err := pion.NewServer(pion.ServerConfig{
		Realm:         g.server.realm,
		AuthHandler:   g.authenticate,
		LoggerFactory: logger,
		PacketConnConfigs: []pion.PacketConnConfig{{
			PacketConn:            g,
			RelayAddressGenerator: g,
			PermissionHandler:     g.permit,
		}},
	})
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	return nil
}

// relay is the socket of one allocation.
type relay struct {
	net.PacketConn
	guard  *guard
	user   user
	client string
	once   sync.Once
}

// Close implements net.PacketConn and returns the allocation to its user's quota. Every call but the first does nothing.
func (r *relay) Close() error {
	var err error
	r.once.Do(func() {
		err = r.PacketConn.Close()
		r.guard.mu.Lock()
		if r.guard.relays[r.client] == r {
			delete(r.guard.relays, r.client)
		}
		r.guard.mu.Unlock()
		r.guard.server.quota.give(r.user.id)
		r.guard.server.running.Done()
	})
	return err
}
