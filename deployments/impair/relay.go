package impair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

const (
	// maxFlows is how many clients are known at a time: a browser makes one per network interface and TURN server, and new
	// ones when it gathers again. One more, and the one that was silent for longest is forgotten.
	maxFlows = 64
	// batch is how many packets are read from one socket before what is due is sent.
	batch = 64
	// packetSize is the memory of most packets; larger ones, which no media has, get their own.
	packetSize = 2048
	// maxFree is how many packets' memory is kept for the next ones.
	maxFree = 4096
)

// Config says where a relay is and what it does.
type Config struct {
	// Listen is where clients send to, IPv4; the zero value is a free port of 127.0.0.1.
	Listen netip.AddrPort
	// Target is where their packets go, IPv4; each client comes to it from a port of its own.
	Target netip.AddrPort
	// Seed makes the losses and the jitter.
	Seed uint64
	// Up is from clients to the target, Down is back.
	Up, Down Profile
	// Log is told of what makes a measurement void; nil for nothing.
	Log *slog.Logger
}

// Relay is a running relay. Its methods may be called from several goroutines.
type Relay struct {
	cfg    Config
	addr   netip.AddrPort
	begun  time.Time
	listen int // the socket of clients
	wake   int // an eventfd that ends the loop
	done   chan struct{}
	unhook func() bool

	mu       sync.Mutex // guards all below, and is held while packets are handled
	closed   bool
	up, down flight
	flows    map[netip.AddrPort]*flow
	free     [][]byte
	scratch  []byte
	control  []byte // the socket's own words beside a packet
	told     rate.Sometimes
}

// flow is one client.
type flow struct {
	client netip.AddrPort
	socket int // connected to the target; -1 when forgotten
	heard  time.Duration
}

// Listen starts a relay. It runs until Close, or until ctx ends.
func Listen(ctx context.Context, cfg Config) (*Relay, error) {
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if !cfg.Listen.Addr().Is4() || !cfg.Target.Addr().Is4() || cfg.Target.Port() == 0 {
		return nil, fmt.Errorf("impair: from %s to %s: give IPv4 addresses, and the target's port", cfg.Listen, cfg.Target)
	}
	if err := errors.Join(cfg.Up.Validate(), cfg.Down.Validate()); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{
		cfg: cfg, begun: time.Now(), done: make(chan struct{}), flows: make(map[netip.AddrPort]*flow),
		up: flight{link: NewLink(cfg.Seed, 0)}, down: flight{link: NewLink(cfg.Seed, 1)},
		scratch: make([]byte, 1<<16), control: make([]byte, unix.CmsgSpace(4)), told: rate.Sometimes{Interval: time.Second},
	}
	r.up.link.Apply(0, cfg.Up)
	r.down.link.Apply(0, cfg.Down)
	var err error
	if r.listen, r.addr, err = listenUDP(cfg.Listen); err != nil {
		return nil, err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(r.listen) // nothing has come
		return nil, fmt.Errorf("impair: eventfd: %w", err)
	}
	go r.run()
	r.unhook = context.AfterFunc(ctx, r.stop)
	return r, nil
}

// Addr is where clients send to.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Apply has other profiles hold from now on, and returns the time from which theirs count.
func (r *Relay) Apply(up, down Profile) (time.Time, error) {
	if err := errors.Join(up.Validate(), down.Validate()); err != nil {
		return time.Time{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.up.link.Apply(now, up)
	r.down.link.Apply(now, down)
	return r.begun.Add(now), nil
}

// Stats are the counts so far.
func (r *Relay) Stats() (up, down Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up.stats, r.down.stats
}

// Close ends the relay and waits until it has. What is on its way is lost. It may be called again.
func (r *Relay) Close() error {
	r.unhook()
	r.stop()
	<-r.done
	return nil
}

// stop has the loop end.
func (r *Relay) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd takes this always
	}
}

func (r *Relay) now() time.Duration { return time.Since(r.begun) }

// fromClient takes a packet of a client in.
func (r *Relay) fromClient(now time.Duration, from netip.AddrPort, payload []byte) {
	f := r.flows[from]
	if f == nil {
		var err error
		if f, err = r.open(from); err != nil {
			r.told.Do(func() { r.cfg.Log.Warn("impair: a client is not served", "err", err) })
			r.up.stats.Offered.add(len(payload) + Overhead)
			r.up.stats.Dropped[Refused].add(len(payload) + Overhead)
			return
		}
	}
	f.heard = now
	r.take(&r.up, now, f, payload)
}

// take copies a packet and puts it under way.
func (r *Relay) take(to *flight, now time.Duration, f *flow, payload []byte) {
	own := r.memory(len(payload))
	copy(own, payload)
	if !to.take(now, f, own) {
		r.release(own)
	}
}

// send sends what is due.
func (r *Relay) send() {
	for _, way := range []*flight{&r.up, &r.down} {
		for {
			now := r.now()
			p, ok := way.due(now)
			if !ok {
				break
			}
			if err := r.write(way == &r.up, p); err != nil {
				r.told.Do(func() { r.cfg.Log.Warn("impair: a packet is not sent", "err", err) })
				way.stats.Dropped[Refused].add(len(p.payload) + Overhead)
			} else {
				way.delivered(p, r.now())
			}
			r.release(p.payload)
		}
	}
}

// open makes a client known.
func (r *Relay) open(from netip.AddrPort) (*flow, error) {
	if len(r.flows) >= maxFlows {
		var oldest *flow
		for _, f := range r.flows {
			if oldest == nil || f.heard < oldest.heard {
				oldest = f
			}
		}
		delete(r.flows, oldest.client)
		r.closeFlow(oldest)
	}
	socket, err := dialUDP(r.cfg.Target)
	if err != nil {
		return nil, err
	}
	f := &flow{client: from, socket: socket}
	r.flows[from] = f
	return f, nil
}

func (r *Relay) closeFlow(f *flow) {
	_ = unix.Close(f.socket) // nothing is left to write
	f.socket = -1
}

func (r *Relay) memory(n int) []byte {
	if last := len(r.free) - 1; last >= 0 && n <= packetSize {
		m := r.free[last]
		r.free = r.free[:last]
		return m[:n]
	}
	return make([]byte, n, max(n, packetSize))
}

func (r *Relay) release(m []byte) {
	if cap(m) == packetSize && len(r.free) < maxFree {
		r.free = append(r.free, m)
	}
}
