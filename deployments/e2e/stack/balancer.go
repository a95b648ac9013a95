package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// backendTime bounds the balancer's dialling of a gateway on this machine.
	backendTime = 2 * time.Second
	// requestLine is how much of a connection is looked at to tell a socket from other requests, in bytes.
	requestLine = 1024
)

// Balancer stands before gateways as a TCP load balancer does in production: clients have one address, and each new
// connection goes to a gateway that lives. It knows nothing of sessions; that is the point.
type Balancer struct {
	listen net.Listener
	open   sync.WaitGroup

	mu       sync.Mutex
	backends []string // by gateway; empty: none
	first    int      // which is tried first
	// sockets says which gateway a session's last websocket went to.
	sockets map[string]int
	hold    *hold // for the next websocket, if not nil
	conns   map[net.Conn]struct{}
}

// NewBalancer listens on a free port until the test ends.
func NewBalancer(t testing.TB) *Balancer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &Balancer{listen: l, sockets: map[string]int{}, conns: map[net.Conn]struct{}{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b.open.Go(func() { b.serve(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = l.Close() // ends serve
		b.mu.Lock()
		for c := range b.conns {
			_ = c.Close() // clients that are left
		}
		b.mu.Unlock()
		b.open.Wait()
	})
	return b
}

// URL is where clients come.
func (b *Balancer) URL() string { return "http://" + b.listen.Addr().String() }

// Set says where gateway i listens; empty: nowhere.
func (b *Balancer) Set(i int, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.backends) <= i {
		b.backends = append(b.backends, "")
	}
	b.backends[i] = address
}

// Prefer sends new connections to gateway i, while it lives.
func (b *Balancer) Prefer(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.first = i
}

// Holder is the gateway that the session's last websocket went to; ok is false if there was none.
func (b *Balancer) Holder(session string) (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok = b.sockets[session]
	return i, ok
}

func (b *Balancer) serve(ctx context.Context) {
	for {
		c, err := b.listen.Accept()
		if err != nil {
			return // closed
		}
		b.mu.Lock()
		b.conns[c] = struct{}{}
		b.mu.Unlock()
		b.open.Go(func() {
			defer b.forget(c)
			b.relay(ctx, c)
		})
	}
}

func (b *Balancer) forget(c net.Conn) {
	_ = c.Close() // closed already, in most cases
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// relay carries one connection, both ways, until either end closes it.
func (b *Balancer) relay(ctx context.Context, client net.Conn) {
	r := bufio.NewReaderSize(client, requestLine)
	session := socketOf(r)
	gateway, i, err := b.dial(ctx)
	if err != nil {
		return // the client sees a connection that is closed, as it would
	}
	var h *hold
	if session != "" {
		b.mu.Lock()
		b.sockets[session], h, b.hold = i, b.hold, nil
		b.mu.Unlock()
	}
	var up sync.WaitGroup
	up.Go(func() {
		h.up(gateway, r)
		_ = gateway.Close()
	})
	if h != nil {
		h.down(client, gateway, session)
	} else {
		_, _ = io.Copy(client, gateway)
	}
	_ = client.Close()
	up.Wait()
}

// socketOf reads ahead to the end of the request line and returns the session whose socket it asks for, if it does.
func socketOf(r *bufio.Reader) string {
	for n := 1; ; n++ {
		line, err := r.Peek(n)
		if err != nil {
			return ""
		}
		if line[n-1] != '\n' {
			n = max(n, r.Buffered()-1)
		}
		if text, _, whole := strings.Cut(string(line), "\r\n"); whole {
			path := strings.TrimPrefix(text, "GET /1.0/sessions/")
			session, rest, _ := strings.Cut(path, "/")
			if path != text && strings.HasPrefix(rest, "sockets/slave") {
				return session
			}
			return ""
		}
	}
}

// dial connects to the gateway that is preferred, or to the next one that answers.
func (b *Balancer) dial(ctx context.Context) (c net.Conn, gateway int, err error) {
	b.mu.Lock()
	backends, first := append([]string(nil), b.backends...), b.first
	b.mu.Unlock()
	err = errors.New("no gateway")
	for n := range backends {
		i := (first + n) % len(backends)
		if backends[i] == "" {
			continue
		}
		d := net.Dialer{Timeout: backendTime}
		if c, err = d.DialContext(ctx, "tcp", backends[i]); err == nil {
			return c, i, nil
		}
	}
	return nil, 0, fmt.Errorf("balancer: %w", err)
}
