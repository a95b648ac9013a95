package streamer

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// browser is a client: a pion peer connection that signals through the log, as a gateway would for it.
type browser struct {
	t  *testing.T
	r  *rig
	id events.PeerID

	pc      *webrtc.PeerConnection
	control *webrtc.DataChannel
	socket  *cuttable
	mux     ice.UDPMux

	channels []string // of the page, in an offer

	video, audio atomic.Int64 // packets
	open         chan struct{}

	mu    sync.Mutex
	errs  []error
	early []webrtc.ICECandidateInit
	told  bool // the remote description is set
	twice bool // everything is said twice
}

// cuttable is a socket that can go silent.
type cuttable struct {
	net.PacketConn
	cut atomic.Bool
}

func (c *cuttable) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// newBrowser makes a client that decodes a codec. It has not been let in yet.
func newBrowser(t *testing.T, r *rig, codec string) *browser {
	t.Helper()
	b := &browser{t: t, r: r, id: events.PeerID(uuid.NewString()), open: make(chan struct{})}
	media := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	require.NoError(t, media.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}}, webrtc.RTPCodecTypeAudio))
	require.NoError(t, media.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 96,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: codec, ClockRate: 90000, RTCPFeedback: feedback}}, webrtc.RTPCodecTypeVideo))
	registry := &interceptor.Registry{}
	require.NoError(t, webrtc.RegisterDefaultInterceptors(media, registry))
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	require.NoError(t, err)
	b.socket = &cuttable{PacketConn: conn}
	engine := webrtc.SettingEngine{}
	engine.SetIncludeLoopbackCandidate(true)
	b.mux = webrtc.NewICEUDPMux(nil, b.socket)
	engine.SetICEUDPMux(b.mux)
	b.pc, err = webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(engine)).
		NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.pc.GracefulClose(); _ = b.mux.Close() }) // the streamer may have ended it first
	b.pc.OnTrack(b.onTrack)
	b.control, err = b.pc.CreateDataChannel("control", nil)
	require.NoError(t, err)
	b.control.OnOpen(func() { close(b.open) })
	b.control.OnError(func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errs = append(b.errs, err)
	})
	return b
}

func (b *browser) onTrack(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	go func() { // reading is what makes the receiver's reports work; ends with the track
		for {
			if _, _, err := receiver.ReadRTCP(); err != nil {
				return
			}
		}
	}()
	count := &b.audio
	if remote.Kind() == webrtc.RTPCodecTypeVideo {
		count = &b.video
	}
	for {
		if _, _, err := remote.ReadRTP(); err != nil {
			return
		}
		count.Add(1)
	}
}

// join lets the client in.
func (b *browser) join() {
	b.t.Helper()
	b.r.append(events.Gateway, events.Joined, events.JoinedData{Peer: b.id, Generation: 1, Role: "slave"})
	b.say(events.Attached, events.AttachedData{Peer: b.id})
}

// say appends an event of the client, or two of them.
func (b *browser) say(n events.Name, data any) {
	b.t.Helper()
	for range map[bool]int{false: 1, true: 2}[b.twice] {
		b.r.append(events.Client, n, data)
	}
}

func (b *browser) settings(text string) {
	b.t.Helper()
	b.say(events.Settings, events.SettingsData{Peer: b.id, Settings: events.Raw(text)})
}

// signal answers what the streamer says to this client, until the test ends.
func (b *browser) signal() {
	b.t.Helper()
	b.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			return
		}
		i := c.ToJSON()
		b.try(b.t.Context(), events.Candidate, events.CandidateData{Peer: b.id, Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex})
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.r.log.Follow(ctx, events.SessionsStream, []string{events.SessionFilter(region, session)}, events.Start{}, func(e events.Event) error {
			if e.Actor == events.Streamer && e.Peer() == b.id {
				b.hear(ctx, e)
			}
			return nil
		}, nil) // ends with ctx
	}()
	b.t.Cleanup(func() { cancel(); <-ended })
}

// try appends as long as it takes: NATS may be away.
func (b *browser) try(ctx context.Context, n events.Name, data any) {
	for range map[bool]int{false: 1, true: 2}[b.twice] {
		for ctx.Err() == nil {
			if _, err := b.r.log.Append(ctx, events.NewDraft(region, session, events.Client, n, data)); err == nil {
				break
			}
		}
	}
}

func (b *browser) hear(ctx context.Context, e events.Event) {
	var sdp events.SDPData
	var c events.CandidateData
	switch e.Name {
	case events.Offer:
		if e.Decode(&sdp) != nil || b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp.SDP}) != nil {
			b.t.Errorf("the offer was not accepted: %s", sdp.SDP)
			return
		}
		answer, err := b.pc.CreateAnswer(nil)
		if err != nil || b.pc.SetLocalDescription(answer) != nil {
			b.t.Errorf("no answer: %v", err)
			return
		}
		b.described()
		b.try(ctx, events.Answer, events.SDPData{Peer: b.id, SDP: answer.SDP})
	case events.Answer:
		if e.Decode(&sdp) != nil || b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp.SDP}) != nil {
			b.t.Errorf("the answer was not accepted: %s", sdp.SDP)
			return
		}
		b.described()
	case events.Candidate:
		if e.Decode(&c) != nil {
			return
		}
		i := webrtc.ICECandidateInit{Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex}
		if !b.told {
			b.early = append(b.early, i)
			return
		}
		_ = b.pc.AddICECandidate(i) // the connection may be closed
	default:
	}
}

func (b *browser) described() {
	b.told = true
	for _, c := range b.early {
		_ = b.pc.AddICECandidate(c) // as above
	}
	b.early = nil
}

// offer begins version 1.
func (b *browser) offer() {
	b.t.Helper()
	offer := b.prepareOffer()
	require.NoError(b.t, b.pc.SetLocalDescription(offer))
	b.say(events.Offer, events.SDPData{Peer: b.id, SDP: offer.SDP, DataChannels: b.channels})
}

func (b *browser) prepareOffer() webrtc.SessionDescription {
	b.t.Helper()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := b.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		require.NoError(b.t, err)
	}
	offer, err := b.pc.CreateOffer(nil)
	require.NoError(b.t, err)
	return offer
}

// watch waits until pictures flow, and the control channel is open.
func (b *browser) watch() {
	b.t.Helper()
	eventstest.Wait(b.t, patience, func() string {
		if b.video.Load() < 10 {
			return "pictures at the client"
		}
		return ""
	})
	select {
	case <-b.open:
	case <-time.After(patience):
		b.t.Fatal("the control channel did not open")
	}
}

// visit is the whole way of an ordinary client, up to pictures.
func visit(t *testing.T, r *rig) *browser {
	t.Helper()
	b := newBrowser(t, r, webrtc.MimeTypeVP8)
	b.signal()
	b.join()
	b.settings(`{"api_version":2}`)
	b.watch()
	return b
}

func (b *browser) send(text string) {
	b.t.Helper()
	require.NoError(b.t, b.control.SendText(text))
}

// aborted says whether the client was told by an SCTP ABORT.
func (b *browser) aborted() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.Contains(errString(errors.Join(b.errs...)), "Abort") {
		return ""
	}
	return "an SCTP ABORT at the client, which has " + errString(errors.Join(b.errs...))
}

func errString(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}
