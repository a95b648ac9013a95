package peer

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/stun"
	"github.com/pion/transport/v2"
)

// pion parses RTCP while it decrypts it, before any interceptor sees it, and a packet of forty bytes can cost it some milliseconds
// (see inflated). So what it gets is counted where it comes from the network. There the head of the first packet is in clear (RFC 3711,
// section 3.4), which tells whether the rest can be dear.
const (
	// gateRate is what may come each second, and at once, in units: a packet that is known to be cheap takes one, another gateDear. That is
	// a hundred dear ones, which occupy less than half a core at their worst. libwebrtc sends at most twenty transport-wide ones a second,
	// and else requests, one a packet (reduced-size, RFC 5506, which our descriptions ask for).
	gateRate, gateDear = 1200, 12
	// sealed is what SRTCP adds behind a packet, at most: an index of 4 bytes, a tag of 10 or 16 (RFC 3711, RFC 7714).
	sealed = 20
	// gateStreams is how many streams of RTP are taken, half of them from who is not known as the client. pion makes a stream for each SSRC
	// (RFC 3550, section 5.1) before it finds out whether the packet is the client's at all.
	gateStreams = 64
)

// Of RTCP: packet types whose parsing costs no more than their size (RFC 3550, section 12.1; RFC 4585; RFC 5104).
const (
	rtcpSender, rtcpReceiver = 200, 201
	payloadFeedback          = 206
	pictureLoss, intraFrames = 1, 4 // formats of payloadFeedback
)

// rtcpGate drops RTCP of one peer that comes too fast, and RTP of too many streams, before it is decrypted. What others send to our ports does not use up what the
// client may send: it is counted apart. Safe for concurrent use.
type rtcpGate struct {
	now     func() time.Time
	dropped *atomic.Uint64 // packets of RTCP
	strays  *atomic.Uint64 // of RTP
	client  atomic.Pointer[netip.AddrPort]

	mu            sync.Mutex
	known, others bucket
	streams       map[uint32]bool // of RTP that are taken, by SSRC
}

func newRTCPGate(now func() time.Time, dropped, strays *atomic.Uint64) *rtcpGate {
	return &rtcpGate{
		now: now, dropped: dropped, strays: strays,
		known: bucket{rate: gateRate}, others: bucket{rate: gateRate}, streams: make(map[uint32]bool),
	}
}

// sent learns from what goes out where the client is: only who has passed ICE and DTLS is sent SRTP.
func (g *rtcpGate) sent(packet []byte, to net.Addr) {
	if !isMedia(packet) {
		return
	}
	address := addressOf(to)
	if old := g.client.Load(); old == nil || *old != address {
		g.client.Store(&address)
	}
}

// lets tells whether a packet may be taken, and counts it where not.
func (g *rtcpGate) lets(packet []byte, from net.Addr) bool {
	if !isMedia(packet) {
		return true
	}
	client := g.client.Load()
	return g.takes(packet, client != nil && *client == addressOf(from))
}

func (g *rtcpGate) takes(packet []byte, known bool) bool {
	if !isRTCP(packet) {
		return g.takesStream(packet, known)
	}
	cost := gateDear
	if cheap(packet) {
		cost = 1
	}
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	of := &g.others
	if known {
		of = &g.known
	}
	if of.take(now, cost) {
		return true
	}
	g.dropped.Add(1)
	return false
}

func (g *rtcpGate) takesStream(packet []byte, known bool) bool {
	const ssrcAt, ssrcEnd = 8, 12
	if len(packet) < ssrcEnd {
		return false // no RTP
	}
	ssrc, most := binary.BigEndian.Uint32(packet[ssrcAt:]), gateStreams
	if !known {
		most /= 2
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.streams[ssrc] && len(g.streams) >= most {
		g.strays.Add(1)
		return false
	}
	g.streams[ssrc] = true
	return true
}

// isMedia tells RTP and RTCP from STUN, DTLS and TURN (RFC 7983, section 7).
func isMedia(packet []byte) bool { return len(packet) >= rtcpHeader && packet[0]>>6 == rtcpVersion2 }

// isRTCP tells RTCP from RTP (RFC 5761, section 4).
func isRTCP(packet []byte) bool { return packet[1] >= 192 && packet[1] <= 223 }

// cheap tells whether a packet is one alone, and of those that cost no more than their size. Behind another one there may be anything,
// which is encrypted.
func cheap(packet []byte) bool {
	if len(packet) > rtcpHeader*(int(binary.BigEndian.Uint16(packet[2:]))+1)+sealed {
		return false
	}
	format := packet[0] & 0x1f
	switch packet[1] {
	case rtcpSender, rtcpReceiver:
		return true
	case rtpFeedback:
		return format == genericNACK
	case payloadFeedback:
		return format == pictureLoss || format == intraFrames
	default:
		return false
	}
}

func addressOf(a net.Addr) netip.AddrPort {
	var address netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		address = a.AddrPort()
	case *net.TCPAddr:
		address = a.AddrPort()
	}
	return netip.AddrPortFrom(address.Addr().Unmap().WithZone(""), address.Port())
}

// gatedConn is a socket, or one client's part of a shared one, behind the gate.
type gatedConn struct {
	net.PacketConn
	gate *rtcpGate
}

func (c gatedConn) ReadFrom(b []byte) (int, net.Addr, error) { return c.gate.read(c.PacketConn, b) }

func (c gatedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.gate.sent(b, to)
	return c.PacketConn.WriteTo(b, to) //nolint:wrapcheck // pion's own, to pion
}

// gatedUDP is gatedConn for a socket of the peer's own.
type gatedUDP struct {
	transport.UDPConn
	gate *rtcpGate
}

func (c gatedUDP) ReadFrom(b []byte) (int, net.Addr, error) { return c.gate.read(c.UDPConn, b) }

func (c gatedUDP) WriteTo(b []byte, to net.Addr) (int, error) {
	c.gate.sent(b, to)
	return c.UDPConn.WriteTo(b, to) //nolint:wrapcheck // pion's own, to pion
}

func (g *rtcpGate) read(conn net.PacketConn, b []byte) (int, net.Addr, error) {
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil || g.lets(b[:n], from) {
			return n, from, err //nolint:wrapcheck // pion's own, to pion
		}
	}
}

// relayedConn is the socket to a relay, which lets through only whom ICE talks to.
type relayedConn struct {
	net.PacketConn
	gate *rtcpGate
}

func (c relayedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err //nolint:wrapcheck // pion's own, to pion
		}
		if inner := relayed(b[:n]); !isMedia(inner) || c.gate.takes(inner, true) {
			return n, from, nil
		}
	}
}

// relayed is what is in a message of a relay (RFC 8656, sections 11.4 and 12.4), nil where nothing is.
func relayed(message []byte) []byte {
	const channelHeader = 4
	if len(message) >= channelHeader && message[0]>>6 == 1 {
		return message[channelHeader:]
	}
	if !stun.IsMessage(message) {
		return nil
	}
	m := stun.Message{Raw: message}
	if m.Decode() != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
		return nil
	}
	data, err := m.Get(stun.AttrData)
	if err != nil {
		return nil
	}
	return data
}

// gatedNet opens a peer's own sockets behind its gate.
type gatedNet struct {
	transport.Net
	gate *rtcpGate
}

// ListenUDP implements transport.Net, for candidates of our own.
func (n gatedNet) ListenUDP(network string, local *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := n.Net.ListenUDP(network, local)
	if err != nil {
		return nil, err //nolint:wrapcheck // pion's own, to pion
	}
	return gatedUDP{conn, n.gate}, nil
}

// ListenPacket implements transport.Net, for relays over UDP.
func (n gatedNet) ListenPacket(network, address string) (net.PacketConn, error) {
	conn, err := n.Net.ListenPacket(network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // pion's own, to pion
	}
	return relayedConn{conn, n.gate}, nil
}

// gatedMux and gatedTCP give a peer its part of the shared ports.
type gatedMux struct {
	ice.UDPMux
	gate *rtcpGate
}

// GetConn implements ice.UDPMux.
func (m gatedMux) GetConn(ufrag string, address net.Addr) (net.PacketConn, error) {
	conn, err := m.UDPMux.GetConn(ufrag, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // pion's own, to pion
	}
	return gatedConn{conn, m.gate}, nil
}

type gatedTCP struct {
	ice.TCPMux
	gate *rtcpGate
}

// GetConnByUfrag implements ice.TCPMux.
func (m gatedTCP) GetConnByUfrag(ufrag string, isIPv6 bool, local net.IP) (net.PacketConn, error) {
	conn, err := m.TCPMux.GetConnByUfrag(ufrag, isIPv6, local)
	if err != nil {
		return nil, err //nolint:wrapcheck // pion's own, to pion
	}
	return gatedConn{conn, m.gate}, nil
}
