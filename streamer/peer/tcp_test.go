package peer

import (
	"net"
	"testing"
	"time"

	"github.com/pion/ice/v2"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// A client whose network lets no UDP out gets its picture over TCP, and its messages arrive.
func TestOverTCP(t *testing.T) {
	t.Parallel()
	const low, high = 42000, 42999
	network, err := NewNetwork(NetworkConfig{TCP: true, PortMin: low, PortMax: high, Log: testLog()})
	require.NoError(t, err)
	p, r := newPeer(t, func(cfg *Config) { cfg.Network = network })
	c := newClient(t, clientOptions{tcp: true})
	connect(t, p, r, c)
	r.mu.Lock()
	connection := r.connection
	r.mu.Unlock()
	require.Equal(t, "tcp", connection.Protocol)
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	require.NoError(t, err)
	require.True(t, low <= pair.Local.Port && pair.Local.Port <= high, "port %d", pair.Local.Port)

	n := 0
	until(t, func() string {
		p.WriteVideo(picture(frame.VP8, n, n == 0))
		n++
		if len(c.packets(true)) == 0 {
			return "a packet of the picture"
		}
		return ""
	})
	p.Close(Gone)
	mux, ok := network.tcp.(*ice.TCPMuxDefault)
	require.True(t, ok)
	address := mux.LocalAddr().String()
	require.NoError(t, network.Close())
	_, err = net.DialTimeout("tcp", address, time.Second)
	require.Error(t, err, "the port is closed")
}

// Without being asked for nothing listens on TCP.
func TestNoTCPUnasked(t *testing.T) {
	t.Parallel()
	network, err := NewNetwork(NetworkConfig{Log: testLog()})
	require.NoError(t, err)
	require.Nil(t, network.tcp)
}

func TestTCPPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenTCP("tcp", &net.TCPAddr{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	addr, ok := taken.Addr().(*net.TCPAddr)
	require.True(t, ok)
	port := addr.Port
	_, err = NewNetwork(NetworkConfig{TCP: true, UDPPort: port, Log: testLog()})
	require.ErrorContains(t, err, "choose a free port")
	_, err = NewNetwork(NetworkConfig{TCP: true, PortMin: uint16(port), PortMax: uint16(port), Log: testLog()})
	require.ErrorContains(t, err, "choose a larger range")
}
