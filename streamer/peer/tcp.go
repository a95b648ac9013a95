package peer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/pion/ice/v2"
	"golang.org/x/net/netutil"
)

// ICE over TCP (RFC 6544), for networks that let no UDP out: we listen, the client connects.
const (
	// tcpRead is how many packets may wait for the peer to read them.
	tcpRead = 64
	// tcpWrite is how many bytes may wait for the connection, half a second at 8 Mbit/s. What comes on top is dropped, as the network
	// would; without a buffer a slow connection would hold up every other packet of the peer.
	tcpWrite = 512 << 10
	// tcpPatience is how long a connection may take to say whose it is.
	tcpPatience = 10 * time.Second
	// tcpConnections are served at a time: a browser opens one for each of our addresses, and strangers may open some.
	tcpConnections = 64
)

// tcpMux listens for the peers of a process, on the port that UDP is told to use, in its range, or on any.
func tcpMux(config NetworkConfig) (ice.TCPMux, error) {
	listener, err := listenTCP(config)
	if err != nil {
		return nil, err
	}
	return ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener: netutil.LimitListener(listener, tcpConnections), Logger: pionLog{config.Log}.NewLogger("tcpmux"),
		ReadBufferSize: tcpRead, WriteBufferSize: tcpWrite, FirstStunBindTimeout: tcpPatience, AliveDurationForConnFromStun: tcpPatience,
	}), nil
}

func listenTCP(config NetworkConfig) (net.Listener, error) {
	if config.PortMin == 0 || config.UDPPort != 0 {
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: config.UDPPort})
		if err != nil {
			return nil, fmt.Errorf("peer: open TCP port %d: %w: choose a free port", config.UDPPort, err)
		}
		return listener, nil
	}
	first, count := int(config.PortMin), int(config.PortMax)-int(config.PortMin)+1
	var errs error
	for _, i := range rand.Perm(count) { //nolint:gosec // to miss each other, not to be secret
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: first + i})
		if err == nil {
			return listener, nil
		}
		errs = err
	}
	return nil, errors.Join(fmt.Errorf("peer: no TCP port of %d to %d is free: choose a larger range", config.PortMin, config.PortMax), errs)
}
