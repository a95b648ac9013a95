// Package peertest connects a peer to a client of pion's, as a page would be, for tests of what travels between the two.
package peertest

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/peer"
)

// Patience bounds every wait; nothing takes a tenth of it on an idle machine.
const Patience = 30 * time.Second

// Client is the page's side of a connection.
type Client struct {
	PC *webrtc.PeerConnection
	// Control is the control channel, Channels are the page's own by label. They may not be open yet.
	Control  *webrtc.DataChannel
	Channels map[string]*webrtc.DataChannel
	peer     *peer.Peer
}

// Connect connects a peer of version 2 that serves settings; the settings' channels are made. Both end with the test.
func Connect(t *testing.T, cfg peer.Config) (*peer.Peer, *Client) {
	t.Helper()
	c := &Client{Channels: map[string]*webrtc.DataChannel{}}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.Writer = io.Discard // such as each packet of a channel that the peer has ended
	engine := webrtc.SettingEngine{LoggerFactory: quiet}
	engine.SetIncludeLoopbackCandidate(true)
	var err error
	media := &webrtc.MediaEngine{}
	require.NoError(t, media.RegisterDefaultCodecs())
	c.PC, err = webrtc.NewAPI(webrtc.WithSettingEngine(engine), webrtc.WithMediaEngine(media)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.PC.GracefulClose() }) // closed already where the peer ended first
	c.Control = c.channel(t, peer.ControlChannel)
	for _, label := range cfg.Settings.DataChannels {
		c.Channels[label] = c.channel(t, label)
	}
	var mu sync.Mutex
	described := false
	var early []webrtc.ICECandidateInit
	connected := make(chan struct{})
	passConnected, passCandidate := cfg.Handlers.Connected, cfg.Handlers.Candidate
	cfg.Handlers.Connected = func(n peer.Connection) {
		close(connected)
		if passConnected != nil {
			passConnected(n)
		}
	}
	cfg.Handlers.Candidate = func(candidate webrtc.ICECandidateInit) {
		mu.Lock()
		defer mu.Unlock()
		if !described {
			early = append(early, candidate)
			return
		}
		_ = c.PC.AddICECandidate(candidate) // one that does not fit is one of several
		if passCandidate != nil {
			passCandidate(candidate)
		}
	}
	p, err := peer.New(t.Context(), cfg)
	require.NoError(t, err)
	c.peer = p
	t.Cleanup(func() { p.Close(peer.Gone) })
	c.PC.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		if candidate != nil {
			_ = p.AddCandidate(candidate.ToJSON()) // likewise
		}
	})
	offer, err := p.Offer(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := c.PC.CreateAnswer(nil)
	require.NoError(t, err)
	require.NoError(t, c.PC.SetLocalDescription(answer))
	mu.Lock()
	described = true
	for _, candidate := range early {
		_ = c.PC.AddICECandidate(candidate)
	}
	mu.Unlock()
	require.NoError(t, p.AcceptAnswer(t.Context(), answer.SDP))
	select {
	case <-connected:
	case <-time.After(Patience):
		t.Fatal("the peer and its client did not connect")
	}
	return p, c
}

func (c *Client) channel(t *testing.T, label string) *webrtc.DataChannel {
	t.Helper()
	channel, err := c.PC.CreateDataChannel(label, nil)
	require.NoError(t, err)
	return channel
}

// Opened waits for a channel to be open.
func Opened(t *testing.T, channel *webrtc.DataChannel) {
	t.Helper()
	eventstest.Wait(t, Patience, func() string {
		if s := channel.ReadyState(); s != webrtc.DataChannelStateOpen {
			return "channel " + channel.Label() + " is " + s.String()
		}
		return ""
	})
}
