package impair

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// socketBuffer is asked for on each socket, in bytes: what comes while the machine runs other things must not be lost here.
const socketBuffer = 4 << 20

// run is the loop. Its thread ends with it: it was made to wake up on time.
func (r *Relay) run() {
	runtime.LockOSThread()
	defer close(r.done)
	defer r.closeAll()
	punctual()
	var polled []*flow
	var sockets []unix.PollFd
	for {
		sockets = append(sockets[:0], unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN}, unix.PollFd{Fd: int32(r.listen), Events: unix.POLLIN})
		polled = polled[:0]
		r.mu.Lock()
		for _, f := range r.flows {
			polled = append(polled, f)
			sockets = append(sockets, unix.PollFd{Fd: int32(f.socket), Events: unix.POLLIN})
		}
		timeout := r.timeout()
		r.mu.Unlock()
		if _, err := unix.Ppoll(sockets, timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
			r.cfg.Log.Error("impair: ppoll", "err", err)
			return
		}
		if !r.handle(sockets, polled) {
			return
		}
	}
}

// punctual has the kernel wake this thread on time, as far as it allows: without slack, which is 50 us otherwise (prctl(2)),
// and before the threads that encode, decode and paint beside it, which takes a privilege.
func punctual() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
}

// handle reads what has come and sends what is due.
func (r *Relay) handle(sockets []unix.PollFd, polled []*flow) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	// What is due comes first: a burst must not make the packets before it late.
	r.send()
	for i, f := range polled {
		if sockets[i+2].Revents != 0 {
			r.read(f.socket, &r.down, func(now time.Duration, _ netip.AddrPort, payload []byte) { r.take(&r.down, now, f, payload) })
		}
	}
	if sockets[1].Revents != 0 {
		r.read(r.listen, &r.up, r.fromClient)
	}
	r.send()
	return true
}

// timeout is how long nothing is due; nil is for ever.
func (r *Relay) timeout() *unix.Timespec {
	next, some := r.up.next()
	if at, ok := r.down.next(); ok && (!some || at < next) {
		next, some = at, true
	}
	if !some {
		return nil
	}
	t := unix.NsecToTimespec(max(int64(next-r.now()), 0))
	return &t
}

// read takes packets from a socket, and notes those that the kernel had no room for.
func (r *Relay) read(socket int, way *flight, take func(now time.Duration, from netip.AddrPort, payload []byte)) {
	for range batch {
		n, words, flags, from, err := unix.Recvmsg(socket, r.scratch, r.control, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EINTR) {
			continue // nobody listens at the target, which a client finds out itself
		}
		if err != nil {
			return
		}
		if words > 0 {
			r.missed(way, r.control[:words])
		}
		if flags&unix.MSG_TRUNC != 0 {
			continue // no datagram is as large
		}
		take(r.now(), addrPort(from), r.scratch[:n])
	}
}

// missed counts what the kernel dropped before it came here (socket(7), SO_RXQ_OVFL: the number since the socket was made).
func (r *Relay) missed(way *flight, words []byte) {
	messages, err := unix.ParseSocketControlMessage(words)
	if err != nil {
		return
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			way.stats.Missed = max(way.stats.Missed, uint64(binary.NativeEndian.Uint32(m.Data)))
			r.told.Do(func() {
				r.cfg.Log.Warn("impair: the kernel dropped packets before the relay could read them", "packets", way.stats.Missed)
			})
		}
	}
}

// write sends a packet on.
func (r *Relay) write(up bool, p packet) error {
	if p.flow.socket < 0 {
		return fmt.Errorf("impair: its client %s was forgotten for newer ones", p.flow.client)
	}
	var err error
	if up {
		_, err = unix.Write(p.flow.socket, p.payload)
	} else {
		err = unix.Sendto(r.listen, p.payload, unix.MSG_DONTWAIT, sockaddr(p.flow.client))
	}
	if err != nil && !errors.Is(err, unix.ECONNREFUSED) { // as when reading
		return fmt.Errorf("impair: send to %s: %w", p.flow.client, err)
	}
	return nil
}

// closeAll is the loop's last act, so no socket is closed under it.
func (r *Relay) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, f := range r.flows {
		r.closeFlow(f)
	}
	clear(r.flows)
	_ = unix.Close(r.listen) // there is nothing to lose any more
	_ = unix.Close(r.wake)
}

// listenUDP opens a socket and says which address it got.
func listenUDP(at netip.AddrPort) (socket int, addr netip.AddrPort, err error) {
	if socket, err = newUDP(); err != nil {
		return -1, addr, err
	}
	if err = unix.Bind(socket, sockaddr(at)); err != nil {
		_ = unix.Close(socket)
		return -1, addr, fmt.Errorf("impair: listen on %s: %w: choose a free port, or 0", at, err)
	}
	own, err := unix.Getsockname(socket)
	if err != nil {
		_ = unix.Close(socket)
		return -1, addr, fmt.Errorf("impair: listen on %s: %w", at, err)
	}
	return socket, addrPort(own), nil
}

// dialUDP opens a socket that is connected to the target.
func dialUDP(to netip.AddrPort) (socket int, err error) {
	if socket, err = newUDP(); err != nil {
		return -1, err
	}
	if err = unix.Connect(socket, sockaddr(to)); err != nil {
		_ = unix.Close(socket)
		return -1, fmt.Errorf("impair: a socket to %s: %w", to, err)
	}
	return socket, nil
}

func newUDP() (int, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("impair: open a UDP socket: %w", err)
	}
	// The kernel gives what it can; what does not fit is counted.
	_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	return socket, nil
}

func sockaddr(a netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// addrPort is the zero value for a connected socket's peer, which is not told.
func addrPort(a unix.Sockaddr) netip.AddrPort {
	if in, ok := a.(*unix.SockaddrInet4); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
	}
	return netip.AddrPort{}
}
