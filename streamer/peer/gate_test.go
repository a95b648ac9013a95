package peer

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/rtcp"
	"github.com/pion/stun"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// inClear is a packet of RTCP as it is on the wire: nothing is read of what SRTCP encrypts.
func inClear(t *testing.T, packets ...rtcp.Packet) []byte {
	t.Helper()
	raw, err := rtcp.Marshal(packets)
	require.NoError(t, err)
	return append(raw, make([]byte, sealed)...)
}

// gateClock is a gate, its clock and what it dropped.
func gateClock() (g *rtcpGate, now *time.Time, dropped *atomic.Uint64) {
	at := time.Unix(1_700_000_000, 0)
	dropped = &atomic.Uint64{}
	return newRTCPGate(func() time.Time { return at }, dropped, &atomic.Uint64{}), &at, dropped
}

var (
	gateClient   = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000}
	gateStranger = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 5000}
)

// Of what costs much a hundred packets a second pass, and of a browser on a bad path everything, whatever strangers send.
func TestGate(t *testing.T) {
	t.Parallel()
	const seconds = 10
	dear := append(runs(), make([]byte, sealed)...)
	hidden := inClear(t, &rtcp.PictureLossIndication{MediaSSRC: 7}, &rtcp.RawPacket{0x8f, rtpFeedback, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for name, packet := range map[string][]byte{"transport-wide": dear, "behind another": hidden} {
		g, now, dropped := gateClock()
		passed, all := 0, 0
		for range seconds * 10_000 {
			*now = now.Add(100 * time.Microsecond)
			if all++; g.lets(packet, gateClient) {
				passed++
			}
		}
		require.LessOrEqual(t, passed, gateRate/gateDear*(seconds+1), name)
		require.Equal(t, all-passed, int(dropped.Load()))
		t.Logf("%s: %d of %d passed in %d s", name, passed, all, seconds)
	}

	g, now, dropped := gateClock()
	g.sent([]byte{0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, gateClient)
	gap := inClear(t, &rtcp.TransportLayerNack{MediaSSRC: 7, Nacks: []rtcp.NackPair{{PacketID: 1}}})
	report := inClear(t, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 7}}}, rtcp.NewCNAMESourceDescription(1, "x"))
	for millisecond := range seconds * 1000 {
		*now = now.Add(time.Millisecond)
		for range 10 {
			g.lets(dear, gateStranger)
		}
		if millisecond%50 == 0 {
			require.True(t, g.lets(dear, gateClient))
		}
		if millisecond%2 == 0 {
			require.True(t, g.lets(gap, gateClient))
		}
		if millisecond%100 == 0 {
			require.True(t, g.lets(report, gateClient))
		}
		for _, other := range [][]byte{{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7}, {0, 1, 0, 0}, {22, 200, 0, 0}, {0x80}, nil} {
			require.True(t, g.lets(other, gateClient), "no RTCP")
		}
	}
	require.Positive(t, dropped.Load(), "of the stranger")
}

// Strangers cannot take all the places of the client's streams.
func TestGateOfStreams(t *testing.T) {
	t.Parallel()
	g, _, _ := gateClock()
	stream := func(ssrc uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte{0x80, 111, 0, 1, 0, 0, 0, 0}, ssrc)
	}
	taken := 0
	for ssrc := range uint32(1000) {
		if g.lets(stream(ssrc), gateStranger) {
			taken++
		}
	}
	require.Equal(t, gateStreams/2, taken)
	g.sent(stream(1), gateClient)
	for ssrc := range uint32(1000) {
		if g.lets(stream(10_000+ssrc), gateClient) {
			taken++
		}
	}
	require.Equal(t, gateStreams, taken)
	require.True(t, g.lets(stream(10_000), gateClient), "what is taken stays so")
	require.Equal(t, 2000-gateStreams, int(g.strays.Load()))
	require.False(t, g.lets([]byte{0x80, 111, 0, 1}, gateClient), "no RTP")
}

// What a relay passes on is looked into.
func TestGateOfARelay(t *testing.T) {
	t.Parallel()
	packet := runs()
	require.Equal(t, packet, relayed(append([]byte{0x40, 1, 0, 40}, packet...)))
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication), stun.RawAttribute{Type: stun.AttrData, Value: packet})
	require.NoError(t, err)
	require.Equal(t, packet, relayed(m.Raw))
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	require.NoError(t, err)
	require.Nil(t, relayed(request.Raw))
	require.Nil(t, relayed(nil))
}

// FuzzGate stands every input.
func FuzzGate(f *testing.F) {
	f.Add(runs())
	f.Add(binary.BigEndian.AppendUint32(nil, 0x40010004))
	f.Fuzz(func(t *testing.T, packet []byte) {
		g, _, dropped := gateClock()
		g.sent(packet, gateClient)
		if inner := relayed(packet); len(inner) > len(packet) {
			t.Fatal("more came out than went in")
		}
		if !g.lets(packet, gateClient) && !isMedia(packet) || dropped.Load() != 0 {
			t.Fatal("a single packet is dropped")
		}
	})
}

// A client that sends what costs much, as fast as it can, over each kind of path: most is dropped before it is parsed, and its next honest
// request is heard.
func TestAFloodBeforeTheParser(t *testing.T) {
	t.Parallel()
	shared := func(t *testing.T) *Network {
		t.Helper()
		socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		mux := ice.NewMultiUDPMuxDefault(ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: socket}))
		return &Network{config: NetworkConfig{Disconnected: 2 * patience, Failed: 2 * patience, Log: testLog()}, mux: mux}
	}
	made := func(config NetworkConfig) func(t *testing.T) *Network {
		return func(t *testing.T) *Network {
			t.Helper()
			config.Disconnected, config.Failed, config.Log = 2*patience, 2*patience, testLog()
			n, err := NewNetwork(config)
			require.NoError(t, err)
			return n
		}
	}
	for name, path := range map[string]struct {
		network func(*testing.T) *Network
		tcp     bool
	}{
		"own ports": {network: made(NetworkConfig{})},
		"one port":  {network: shared},
		"TCP":       {network: made(NetworkConfig{TCP: true}), tcp: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := path.network(t)
			t.Cleanup(func() { require.NoError(t, network.Close()) })
			p, r := newPeer(t, func(cfg *Config) { cfg.Network, cfg.Codecs = network, []frame.Codec{frame.VP8} })
			c := newClient(t, clientOptions{codecs: []frame.Codec{frame.VP8}, tcp: path.tcp})
			connect(t, p, r, c)
			p.WriteVideo(picture(frame.VP8, 0, true))
			until(t, func() string {
				if len(c.packets(true)) == 0 {
					return "a picture"
				}
				return ""
			})
			ssrc := c.packets(true)[0].SSRC
			raw := rtcp.RawPacket(runs())
			begun, sent := time.Now(), 0
			until(t, func() string {
				for range 100 {
					require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&raw}))
					sent++
				}
				if dropped := p.Stats().FeedbackDropped; dropped < 500 {
					return fmt.Sprintf("%d packets dropped of %d", dropped, sent)
				}
				return ""
			})
			t.Logf("%.2f s: %d sent, %d dropped", time.Since(begun).Seconds(), sent, p.Stats().FeedbackDropped)
			until(t, func() string {
				require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}))
				if p.Stats().PLIs == 0 {
					return "the honest request"
				}
				return ""
			})
		})
	}
}
