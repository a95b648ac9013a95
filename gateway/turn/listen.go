package turn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// pairAttempts is how often a free port is looked for that UDP and TCP can share.
const pairAttempts = 16

// listenBoth opens a UDP and a TCP socket on the same address and port.
func listenBoth(ctx context.Context, addr string) (net.PacketConn, net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("turn: the address %q is not host:port (see --turn-listen): %w", addr, err)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number != 0 {
		return listenPair(ctx, addr)
	}
	// The port that the kernel picks for TCP may be taken for UDP: ask again.
	for range pairAttempts {
		udp, tcp, listenErr := listenPair(ctx, net.JoinHostPort(host, "0"))
		if !errors.Is(listenErr, syscall.EADDRINUSE) {
			return udp, tcp, listenErr
		}
		err = listenErr
	}
	return nil, nil, err
}

func listenPair(ctx context.Context, addr string) (net.PacketConn, net.Listener, error) {
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, explain(err, "TCP", addr)
	}
	bound := tcp.Addr().String() // addr with its port filled in
	udp, err := config.ListenPacket(ctx, "udp", bound)
	if err != nil {
		_ = tcp.Close() // the error that follows is the one to report
		return nil, nil, explain(err, "UDP", bound)
	}
	enlargeBuffers(udp)
	return udp, tcp, nil
}

// explain says what to do about an address that cannot be listened on.
func explain(err error, transport, addr string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("turn: %s port of %s is in use: stop the program that has it, or choose another with --turn-listen: %w",
			transport, addr, err)
	}
	return fmt.Errorf("turn: cannot listen on %s (%s), see --turn-listen: %w", addr, transport, err)
}

// relayIP returns the address that clients are told for relays: the configured one, or the one that the server
// listens on, or, where that is the unspecified one, the first address of this machine that others could use.
func relayIP(configured, listening netip.Addr) (netip.Addr, error) {
	if configured = configured.Unmap(); configured.IsValid() {
		if !configured.Is4() || configured.IsUnspecified() {
			return netip.Addr{}, fmt.Errorf("turn: %s cannot be the relays' address: it must be an IPv4 address clients can reach", configured)
		}
		return configured, nil
	}
	if listening.Is4() && !listening.IsUnspecified() {
		return listening, nil
	}
	own, err := LocalNetworks()
	if err != nil {
		return netip.Addr{}, err
	}
	fallback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if listening.IsLoopback() {
		return fallback, nil
	}
	for _, network := range own {
		if addr := network.Addr(); addr.Is4() && !addr.IsLoopback() {
			return addr, nil
		}
	}
	return fallback, nil
}
