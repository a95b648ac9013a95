package soak

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/client/signalling"
)

// viewer is a client that can resume: a pion peer behind a resuming socket.
type viewer struct {
	h      *house
	url    string
	socket *signalling.Socket
	// step, if not nil, is called at each step of the negotiation on this side: the socket's first opening, and before
	// each message is taken and after each answer to it is given. The negotiation waits for it.
	step func(n int)

	steps   int
	got     []events.Seq // of the messages that came, in the order that they came
	lost    int          // sockets that were lost
	opened  bool
	pc      *webrtc.PeerConnection
	control *webrtc.DataChannel
	early   []webrtc.ICECandidateInit // the streamer's, before its offer

	mu       sync.Mutex
	answered bool
	own      []webrtc.ICECandidateInit // ours, before the answer

	picture, ready chan struct{} // closed with the first picture; when the control channel is open
}

func newAPI(t *testing.T) *webrtc.API {
	t.Helper()
	media := &webrtc.MediaEngine{}
	require.NoError(t, media.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}},
	}}, webrtc.RTPCodecTypeVideo))
	registry := &interceptor.Registry{}
	require.NoError(t, webrtc.RegisterDefaultInterceptors(media, registry))
	engine := webrtc.SettingEngine{}
	engine.SetIncludeLoopbackCandidate(true)
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(engine))
}

func (h *house) newViewer(url string, step func(int)) *viewer {
	v := &viewer{h: h, url: url, step: step, picture: make(chan struct{}), ready: make(chan struct{})}
	v.socket = signalling.New(signalling.Config{URL: url, Handle: v.hear, Changed: v.changed})
	return v
}

// watch signals until the stream is up, sees a picture and leaves. An error says why it did not.
func (v *viewer) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 6*patience) // some wait for all the others
	defer cancel()
	defer func() {
		if v.pc != nil {
			_ = v.pc.GracefulClose() // the streamer may have ended it
		}
	}()
	if err := v.socket.Run(ctx); err != nil {
		return err
	}
	for what, came := range map[string]<-chan struct{}{"a picture": v.picture, "the control channel": v.ready} {
		select {
		case <-came:
		case <-time.After(patience):
			return errors.New("connected, but without " + what)
		}
	}
	if err := v.control.SendText(`{"type":"stream::disconnect","data":{}}`); err != nil {
		return fmt.Errorf("good-bye: %w", err)
	}
	return nil
}

func (v *viewer) next() {
	v.steps++
	if v.step != nil {
		v.step(v.steps)
	}
}

func (v *viewer) changed(open bool) {
	switch {
	case !open:
		v.lost++
	case !v.opened:
		v.opened = true
		v.next()
	}
}

// hear takes a message of the streamer.
func (v *viewer) hear(_ context.Context, m signalling.Message) error {
	if m.Sequence > 0 {
		v.got = append(v.got, m.Sequence)
	}
	v.next()
	var err error
	switch m.Type {
	case signalling.TypeDiscoverR:
		if v.pc == nil {
			err = v.begin()
		}
	case signalling.TypeOffer:
		err = v.answer(string(m.SDP))
	case signalling.TypeCandidate:
		c := webrtc.ICECandidateInit{Candidate: string(m.Candidate), SDPMid: m.SDPMid, SDPMLineIndex: m.SDPMLineIndex}
		if v.pc == nil || v.pc.RemoteDescription() == nil {
			v.early = append(v.early, c)
			return nil
		}
		err = v.pc.AddICECandidate(c)
	}
	if m.Type != signalling.TypeCandidate {
		v.next()
	}
	return err
}

// begin makes the peer connection and says what is wanted.
func (v *viewer) begin() (err error) {
	if v.pc, err = v.h.api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if v.control, err = v.pc.CreateDataChannel("control", nil); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	v.control.OnOpen(func() { close(v.ready) })
	v.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if _, _, err := remote.ReadRTP(); err == nil {
			close(v.picture)
		}
	})
	v.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			v.found(c.ToJSON())
		}
	})
	v.pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		if s == webrtc.ICEConnectionStateConnected {
			v.socket.Close() // as browsers do
		}
	})
	return v.socket.Send(signalling.Settings{EnableVideo: true})
}

func (v *viewer) answer(sdp string) error {
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	for _, c := range v.early {
		if err := v.pc.AddICECandidate(c); err != nil {
			return fmt.Errorf("candidate: %w", err)
		}
	}
	answer, err := v.pc.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := v.pc.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := v.socket.Send(signalling.Message{Type: signalling.TypeAnswer, SDP: signalling.Text(answer.SDP)}); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answered = true
	for _, c := range v.own {
		v.say(c)
	}
	return nil
}

// found sends a candidate of ours, once the answer has been sent.
func (v *viewer) found(c webrtc.ICECandidateInit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.answered {
		v.own = append(v.own, c)
		return
	}
	v.say(c)
}

func (v *viewer) say(c webrtc.ICECandidateInit) {
	err := v.socket.Send(signalling.Message{Type: signalling.TypeCandidate, Candidate: signalling.Text(c.Candidate), SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex})
	if err != nil {
		v.h.t.Errorf("candidate: %v", err)
	}
}
