package turn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
)

const (
	// portAttempts is how many ports of a range are tried for one relay before the client is told that there is none.
	portAttempts = 64

	// socketBuffer is asked of the kernel for sockets that carry media, in bytes: a keyframe of a few hundred kilobytes
	// arrives in one burst. The kernel caps it silently (net.core.rmem_max).
	socketBuffer = 1 << 20
)

// relays opens the sockets of allocations.
type relays struct {
	// bind is where sockets are bound: every interface, so that the kernel picks the source address that a peer can
	// answer to (a streamer in a network namespace sees the address of the host's end of its link), or loopback alone
	// where no peer beyond it is allowed.
	bind netip.Addr

	// public is the address that clients are told, and pass to the streamer as their candidate's. It need not be one that the
	// streamer can reach: the client's connectivity checks come from where they really come from, and the streamer
	// learns that as a peer-reflexive candidate (RFC 8445, section 7.3.1.3).
	public netip.Addr

	portMin, portMax uint16 // inclusive; both 0: the kernel's choice

	listen func(network, address string) (net.PacketConn, error)
}

// newListen returns a function that opens relay sockets while ctx lives.
func newListen(ctx context.Context) func(network, address string) (net.PacketConn, error) {
	config := net.ListenConfig{Control: withoutBroadcast}
	return func(network, address string) (net.PacketConn, error) {
		return config.ListenPacket(ctx, network, address)
	}
}

// withoutBroadcast takes back the permission to send to broadcast addresses, which Go gives every UDP socket: an allowed
// network's broadcast address would reach all its machines at once, and no allow-list can know every subnet's.
func withoutBroadcast(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
	})
	if err != nil {
		return err
	}
	return failed
}

// open opens the socket of one relay, on port if that is not 0.
func (r *relays) open(network string, port int) (net.PacketConn, error) {
	attempts := 1
	if port == 0 && r.portMin != 0 {
		attempts = portAttempts
	}
	var last error
	for range attempts {
		conn, err := r.listen(network, hostPort(r.bind.String(), r.pick(port)))
		if err != nil {
			last = err
			continue
		}
		enlargeBuffers(conn)
		return conn, nil
	}
	return nil, fmt.Errorf("turn: no port for a relay on %s after %d attempts (a wider --ice-ports range helps when many are in use): %w",
		r.bind, attempts, last)
}

// pick returns the port to try: the one asked for, or any.
func (r *relays) pick(port int) int {
	if port != 0 || r.portMin == 0 {
		return port
	}
	return int(r.portMin) + rand.IntN(int(r.portMax)-int(r.portMin)+1) //nolint:gosec // a port need not be secret
}

// advertised returns the address that clients are told for a relay socket.
func (r *relays) advertised(conn net.PacketConn) net.Addr {
	port := 0
	if local, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		port = local.Port
	}
	return &net.UDPAddr{IP: r.public.AsSlice(), Port: port}
}

// enlargeBuffers asks for socket buffers fit for bursts of media. Smaller ones work too, so failures do not matter.
func enlargeBuffers(conn net.PacketConn) {
	if socket, ok := conn.(*net.UDPConn); ok {
		_ = socket.SetReadBuffer(socketBuffer)
		_ = socket.SetWriteBuffer(socketBuffer)
	}
}
