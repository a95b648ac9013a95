package peer

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v3"

	"streamstack/streamer/frame"
	"streamstack/streamer/rate"
)

// Close is bounded by these.
const (
	// abortTimeout is for the ABORT to leave; it is one packet.
	abortTimeout = time.Second
	// closeTimeout is for everything else to end.
	closeTimeout = 3 * time.Second
)

// signallingStep is how far the signalling has come.
type signallingStep int

const (
	stepNew       signallingStep = iota
	stepOffered                  // our offer is out
	stepDescribed                // both descriptions are there
	stepClosed
)

// Peer is one WebRTC connection to one client. Make it with New, end it with Close.
type Peer struct {
	cfg    Config
	ranked []frame.Codec // ours, in the client's order of preference
	log    *slog.Logger

	pc           *webrtc.PeerConnection
	video, audio *track
	sender       *sender
	keyframes    *keyframeGate
	freezes      *freezeMeter
	estimator    *estimator
	targeter     *rate.Targeter // of the goroutine of followRate
	fed          chan struct{}  // there was feedback
	channels     *channels
	streams      *streams
	dispatcher   *dispatcher
	counters     counters

	wire   *outlet
	bounds atomic.Pointer[bounds] // to be applied by followRate, nil for none

	ctx        context.Context // ends with Close; it has no values
	cancel     context.CancelFunc
	goroutines sync.WaitGroup

	signalling sync.Mutex // guards the four below
	step       signallingStep
	localText  string
	early      []webrtc.ICECandidateInit
	candidates int

	mid        atomic.Pointer[string] // of the first line, for our candidates
	connecting atomic.Int64           // since when, in Unix nanoseconds
	pairs      atomic.Pointer[[]Pairs]

	connected, gone, closing sync.Once
}

// New makes a peer that waits for Offer or AcceptOffer, as the settings' version says. ctx ends the peer's goroutines
// when it ends; the peer must be closed all the same.
func New(ctx context.Context, cfg Config) (*Peer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	network := cfg.Network
	if network == nil {
		var err error
		if network, err = NewNetwork(NetworkConfig{Log: cfg.Log}); err != nil {
			return nil, err
		}
	}
	p := &Peer{
		cfg: cfg, ranked: rank(cfg.Codecs, cfg.Settings.PreferredCodecs),
		log: cfg.Log.With("client", cfg.ID), channels: newChannels(cfg.Settings), streams: newStreams(), fed: make(chan struct{}, 1),
	}
	p.cfg.Log = p.log
	p.makeMedia()
	if err := p.connectTo(network); err != nil {
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.dispatcher = newDispatcher()
	p.goroutines.Go(func() { p.sender.run(p.ctx) })
	p.goroutines.Go(p.watchStreams)
	p.pc.OnICECandidate(p.onCandidate)
	p.pc.OnDataChannel(p.onDataChannel)
	p.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { p.onState() })
	p.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		p.tell(func(h *Handlers) {
			if h.Track != nil {
				h.Track(remote)
			}
		})
	})
	// An orderly DTLS end and an SCTP ABORT of the client both end the association.
	p.pc.SCTP().OnClose(func(error) { p.end(Left) })
	return p, nil
}

func (p *Peer) makeMedia() {
	// Separate streams: in one, a browser holds the pictures back until the sound has caught up.
	p.video = &track{
		id: "display", stream: "video", kind: webrtc.RTPCodecTypeVideo, counter: &p.counters.video,
		choose: func(common []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, error) {
			return chooseVideo(common, p.ranked, p.cfg.Settings.APIVersion == 1)
		},
	}
	p.audio = &track{id: "speaker", stream: "audio", kind: webrtc.RTPCodecTypeAudio, counter: &p.counters.audio}
	p.keyframes = newKeyframeGate(func(cause KeyframeCause) {
		p.tell(func(h *Handlers) {
			if h.Keyframe != nil {
				h.Keyframe(cause)
			}
		})
		p.decided(Decision{At: time.Now(), Kind: DecidedKeyframe, Cause: string(cause)}, p.estimator.state())
	})
	p.freezes = newFreezeMeter(p.cfg.FPS)
}

func (p *Peer) connectTo(network *Network) error {
	var err error
	if p.estimator, err = newEstimator(&p.cfg); err != nil {
		return err
	}
	if p.targeter, err = rate.NewTargeter(rate.TargetConfig{
		Min: p.cfg.MinBitrate, Start: p.cfg.StartBitrate, Max: p.cfg.MaxBitrate, FPS: p.cfg.FPS,
	}); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	p.sender = newSender(p.log, &p.counters, p.keyframes, p.freezes, p.estimator, p.video, p.audio)
	p.wire = &outlet{trace: p.cfg.Tracer}
	p.sender.wire = p.wire
	p.sender.dropped = func(pictures int) {
		p.decided(Decision{At: time.Now(), Kind: DecidedDrop, Cause: string(KeyframeOverflow), Pictures: pictures}, p.estimator.state())
	}
	p.sender.redundancy = func(copies int, why RedundancyCause) {
		p.decided(Decision{At: time.Now(), Kind: DecidedRedundancy, Cause: string(why), Copies: copies}, p.estimator.state())
	}
	p.sender.setPace(rate.PaceOf(p.estimator.state(), p.targeter.Told()))
	dropped := &p.counters.feedbackDropped
	api, err := newAPI(&p.cfg, network, newRTCPGate(time.Now, dropped, &p.counters.strays), p.streams, newFeedbackLimit(time.Now, dropped), p.estimator, &repeats{take: p.sender.repeat}, p.wire)
	if err == nil {
		p.pc, err = api.NewPeerConnection(webrtc.Configuration{
			ICEServers: p.cfg.ICEServers, SDPSemantics: webrtc.SDPSemanticsUnifiedPlan,
		})
	}
	if err != nil {
		return fmt.Errorf("peer: make the connection: %w", err)
	}
	return nil
}

// WriteVideo sends a picture. It never waits: before the connection, and until the first key frame on it, the picture is
// dropped; when pictures come faster than they can be sent, all are dropped up to the next key frame, which is asked for; and while
// nothing is heard of the client, too.
func (p *Peer) WriteVideo(v frame.Video) { p.sender.writeVideo(v) }

// WriteAudio sends an Opus packet. It never waits; when packets come faster than they can be sent the oldest is dropped.
func (p *Peer) WriteAudio(a frame.Audio) { p.sender.writeAudio(a) }

// SendsAudio tells whether the client takes sound; false before both descriptions are there.
func (p *Peer) SendsAudio() bool { return p.audio.packetizer() != nil }

// Stats returns the counts so far.
func (p *Peer) Stats() Stats {
	s := p.counters.stats()
	s.Keyframes, s.Estimate = p.keyframes.answered(), p.estimator.state().Estimate
	s.Freezes, s.Frozen = p.freezes.stats(time.Now())
	s.Wire = p.wire.stats()
	return s
}

// codec is the negotiated video codec, empty without video.
func (p *Peer) codec() frame.Codec {
	if packets := p.video.packetizer(); packets != nil {
		return packets.codec
	}
	return ""
}

// onState looks at the connection's state. pion reports states on goroutines that may overtake each other, so what
// counts is the state now.
func (p *Peer) onState() {
	switch p.pc.ConnectionState() {
	case webrtc.PeerConnectionStateConnected:
		p.connected.Do(p.begin)
	case webrtc.PeerConnectionStateFailed:
		p.end(Lost)
	default:
	}
}

func (p *Peer) begin() {
	connection := Connection{Codec: p.codec(), Duration: time.Since(time.Unix(0, p.connecting.Load()))}
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err == nil && pair != nil {
		connection.LocalType, connection.RemoteType = pair.Local.Typ.String(), pair.Remote.Typ.String()
		connection.LocalFamily, connection.RemoteFamily = family(pair.Local.Address), family(pair.Remote.Address)
		connection.Protocol = pair.Local.Protocol.String()
	}
	p.notePairs()
	p.sender.start()
	p.tell(func(h *Handlers) {
		if h.Connected != nil {
			h.Connected(connection)
		}
	})
	if connection.Codec != "" {
		p.keyframes.request(KeyframeStart)
		p.signalling.Lock()
		defer p.signalling.Unlock()
		if p.step != stepClosed {
			p.goroutines.Go(func() { p.followRate(p.ctx) })
		}
	}
}

// family tells IPv4 from IPv6; empty for what is no address.
func family(address string) string {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return ""
	case a.Unmap().Is4():
		return "ipv4"
	default:
		return "ipv6"
	}
}

func (p *Peer) tell(call func(*Handlers)) {
	p.dispatcher.post(func() { call(&p.cfg.Handlers) })
}
