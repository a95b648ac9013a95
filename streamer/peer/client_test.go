package peer

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

// client is a browser in the shape of a pion peer connection.
type client struct {
	pc      *webrtc.PeerConnection
	control *webrtc.DataChannel
	socket  *mutedConn

	mu       sync.Mutex
	received []string
	ended    []error // errors of the control channel
	video    []*rtp.Packet
	audio    []*rtp.Packet
}

// clientOptions change what a client can do.
type clientOptions struct {
	codecs   []frame.Codec // nil means H264 and VP8
	channels []string      // besides control
	v1       bool
	muteable bool
	tcp      bool // it has no UDP
}

func newClient(t *testing.T, options clientOptions) *client {
	t.Helper()
	if options.codecs == nil {
		options.codecs = []frame.Codec{frame.VP8, frame.H264}
	}
	media := &webrtc.MediaEngine{}
	require.NoError(t, media.RegisterCodec(opusParameters(), webrtc.RTPCodecTypeAudio))
	for _, codec := range options.codecs {
		params := webrtc.RTPCodecParameters{PayloadType: 120, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "video/" + string(codec), ClockRate: videoClock,
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}},
		}}
		if Supported(codec) {
			params = videoParameters([]frame.Codec{codec})[0]
		}
		require.NoError(t, media.RegisterCodec(params, webrtc.RTPCodecTypeVideo))
	}
	for _, uri := range []string{playoutDelayURI, absCaptureTimeURI, absSendTimeURI} {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
			require.NoError(t, media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind))
		}
	}
	registry := &interceptor.Registry{}
	require.NoError(t, webrtc.RegisterDefaultInterceptors(media, registry))
	c := &client{}
	engine := webrtc.SettingEngine{LoggerFactory: pionLog{testLog()}}
	engine.SetIncludeLoopbackCandidate(true)
	if options.tcp {
		engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	if options.muteable {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		c.socket = &mutedConn{PacketConn: conn}
		mux := webrtc.NewICEUDPMux(nil, c.socket)
		t.Cleanup(func() { _ = mux.Close() }) // the test is over: nobody cares
		engine.SetICEUDPMux(mux)
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(engine))
	var err error
	c.pc, err = api.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	// Where the peer ended first this reports that the connection is closed already.
	t.Cleanup(func() { _ = c.pc.GracefulClose() })
	c.pc.OnTrack(c.onTrack)
	c.control = c.channel(t, ControlChannel)
	for _, label := range options.channels {
		c.channel(t, label)
	}
	if options.v1 {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
			_, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
			require.NoError(t, err)
		}
	}
	return c
}

func (c *client) channel(t *testing.T, label string) *webrtc.DataChannel {
	t.Helper()
	channel, err := c.pc.CreateDataChannel(label, nil)
	require.NoError(t, err)
	channel.OnError(func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = append(c.ended, err)
	})
	channel.OnOpen(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received = append(c.received, label+" opened")
	})
	channel.OnClose(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received = append(c.received, label+" closed")
	})
	channel.OnMessage(func(msg webrtc.DataChannelMessage) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received = append(c.received, label+" "+string(msg.Data))
	})
	return channel
}

func (c *client) onTrack(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	go func() { // pion takes sender reports only while somebody reads them
		for {
			if _, _, err := receiver.ReadRTCP(); err != nil {
				return
			}
		}
	}()
	for {
		packet, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		c.mu.Lock()
		if remote.Kind() == webrtc.RTPCodecTypeVideo {
			c.video = append(c.video, packet)
		} else {
			c.audio = append(c.audio, packet)
		}
		c.mu.Unlock()
	}
}

func (c *client) got(word string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.received {
		if r == word {
			return true
		}
	}
	return false
}

func (c *client) missing(word string) func() string {
	return func() string {
		if c.got(word) {
			return ""
		}
		return fmt.Sprintf("%q at the client", word)
	}
}

func (c *client) packets(video bool) []*rtp.Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	if video {
		return append([]*rtp.Packet(nil), c.video...)
	}
	return append([]*rtp.Packet(nil), c.audio...)
}

// mutedConn is a socket that can be cut off without a word to the other side.
type mutedConn struct {
	net.PacketConn
	mu    sync.Mutex
	muted bool
	deaf  bool // likewise in the other direction
	lose  int  // RTP packets to lose on the way in
	// refuse tells of a packet on the way in whether it is lost; nil for none.
	refuse func(packet []byte) bool
}

func (m *mutedConn) loseNext(packets int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lose = packets
}

func (m *mutedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := m.PacketConn.ReadFrom(b)
		m.mu.Lock()
		if err == nil && (m.deaf || m.refuse != nil && m.refuse(b[:n])) {
			m.mu.Unlock()
			continue
		}
		large := err == nil && n > 1000 && b[0]>>6 == 2
		if !large || m.lose == 0 {
			m.mu.Unlock()
			return n, from, err
		}
		m.lose--
		m.mu.Unlock()
	}
}

func (m *mutedConn) mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = true
}

func (m *mutedConn) WriteTo(b []byte, to net.Addr) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.muted {
		return len(b), nil
	}
	return m.PacketConn.WriteTo(b, to)
}

// interrupt cuts both directions off, or joins them again.
func (m *mutedConn) interrupt(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted, m.deaf = on, on
}
