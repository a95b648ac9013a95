package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/transport/v2/stdnet"
	"github.com/pion/webrtc/v3"
)

// Timers of ICE and DTLS.
const (
	// defaultDisconnected without any packet and the connection counts as disturbed. Chromium says so after as long.
	defaultDisconnected = 5 * time.Second
	// defaultFailed is what a disturbed connection has to recover: the SDK gives up 10 s after the disturbance too.
	defaultFailed = 10 * time.Second
	// keepAlive is the pause between STUN binding indications on an idle pair.
	keepAlive = 2 * time.Second
	// dtlsRetransmit repeats lost handshake packets soon; pion's own second would be felt at every start.
	dtlsRetransmit = 100 * time.Millisecond
)

// How long the better candidate types have before one is taken. A peer reflexive candidate is mostly the client's own
// address, which browsers hide behind mDNS names, so it gets no delay (pion's default is a second).
const (
	hostWait  = 0
	prflxWait = 0
	srflxWait = 100 * time.Millisecond
	relayWait = 500 * time.Millisecond
)

// NetworkConfig says which ports and addresses the peers of a process use.
type NetworkConfig struct {
	// PortMin and PortMax bound the UDP ports, both included; zero means any.
	PortMin, PortMax uint16
	// UDPPort is one port for all peers instead, 1 to 65535; zero means none.
	UDPPort int
	// TCP lets clients connect over TCP too (RFC 6544), on UDPPort, in the range, or on any port.
	TCP bool
	// NAT1To1 are public addresses that stand for the machine's own, which are then not shown to clients.
	NAT1To1 []string
	// Disconnected and Failed are how long nothing may come before a connection counts as disturbed, and how long
	// after that as lost. Zero means 5 s and 10 s.
	Disconnected, Failed time.Duration
	// Log must not be nil.
	Log *slog.Logger
}

// Network is the ports and addresses shared by the peers of a process. It is safe for concurrent use.
type Network struct {
	config NetworkConfig
	mux    *ice.MultiUDPMuxDefault // nil without UDPPort
	tcp    ice.TCPMux              // nil without TCP
}

// NewNetwork checks the configuration and, with UDPPort, opens the port. The caller closes it after its peers.
func NewNetwork(config NetworkConfig) (*Network, error) {
	if config.Log == nil {
		return nil, fmt.Errorf("peer: NetworkConfig.Log is nil, give a logger")
	}
	if config.PortMin > config.PortMax || (config.PortMin == 0) != (config.PortMax == 0) {
		return nil, fmt.Errorf("peer: UDP ports %d to %d: give both, the lower one first", config.PortMin, config.PortMax)
	}
	if config.UDPPort < 0 || config.UDPPort > 65535 {
		return nil, fmt.Errorf("peer: UDP port %d: use 1 to 65535", config.UDPPort)
	}
	for _, address := range config.NAT1To1 {
		if net.ParseIP(address) == nil {
			return nil, fmt.Errorf("peer: NAT address %q is not an IP address", address)
		}
	}
	if config.Disconnected == 0 {
		config.Disconnected = defaultDisconnected
	}
	if config.Failed == 0 {
		config.Failed = defaultFailed
	}
	n := &Network{config: config}
	var err error
	if config.TCP {
		if n.tcp, err = tcpMux(config); err != nil {
			return nil, err
		}
	}
	if config.UDPPort == 0 {
		return n, nil
	}
	n.mux, err = ice.NewMultiUDPMuxFromPort(config.UDPPort,
		ice.UDPMuxFromPortWithLoopback(),
		ice.UDPMuxFromPortWithIPFilter(usableIP),
		ice.UDPMuxFromPortWithLogger(pionLog{config.Log}.NewLogger("udpmux")))
	if err != nil {
		n.mux = nil
		return nil, errors.Join(fmt.Errorf("peer: open UDP port %d: %w: choose a free port", config.UDPPort, err), n.Close())
	}
	return n, nil
}

// Close closes the shared ports, if there are any.
func (n *Network) Close() error {
	if n.tcp != nil {
		if err := n.tcp.Close(); err != nil {
			return fmt.Errorf("peer: close the TCP port: %w", err)
		}
	}
	if n.mux == nil {
		return nil
	}
	if err := n.mux.Close(); err != nil {
		return fmt.Errorf("peer: close the UDP port: %w", err)
	}
	return nil
}

// apply writes the network's part of pion's settings for one peer, whose sockets are behind the gate.
func (n *Network) apply(engine *webrtc.SettingEngine, gate *rtcpGate) error {
	engine.SetICETimeouts(n.config.Disconnected, n.config.Failed, keepAlive)
	engine.SetDTLSRetransmissionInterval(dtlsRetransmit)
	engine.SetHostAcceptanceMinWait(hostWait)
	engine.SetPrflxAcceptanceMinWait(prflxWait)
	engine.SetSrflxAcceptanceMinWait(srflxWait)
	engine.SetRelayAcceptanceMinWait(relayWait)
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if n.tcp != nil {
		engine.SetICETCPMux(gatedTCP{n.tcp, gate})
		types = append(types, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	engine.SetNetworkTypes(types)
	// A client names our TCP targets with its candidates; we connect to none.
	engine.DisableActiveTCP(true)
	// A `.local` candidate is ignored: its owner's checks reach us and make a peer reflexive candidate of it. Multicast
	// does not leave a data centre anyway.
	engine.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// A browser on this machine (the tests, a kiosk) is reached over loopback.
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetIPFilter(usableIP)
	if len(n.config.NAT1To1) > 0 {
		engine.SetNAT1To1IPs(n.config.NAT1To1, webrtc.ICECandidateTypeHost)
	}
	own, err := stdnet.NewNet()
	if err != nil {
		return fmt.Errorf("peer: list the machine's addresses: %w", err)
	}
	engine.SetNet(gatedNet{own, gate})
	if n.mux != nil {
		engine.SetICEUDPMux(gatedMux{n.mux, gate})
		return nil
	}
	if n.config.PortMax > 0 {
		if err := engine.SetEphemeralUDPPortRange(n.config.PortMin, n.config.PortMax); err != nil {
			return fmt.Errorf("peer: UDP ports %d to %d: %w", n.config.PortMin, n.config.PortMax, err)
		}
	}
	return nil
}

// usableIP leaves out link-local IPv6: such an address means nothing without an interface, which candidates cannot name.
func usableIP(ip net.IP) bool {
	return ip.To4() != nil || !ip.IsLinkLocalUnicast()
}
