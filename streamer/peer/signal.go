package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/webrtc/v3"
)

// maxCandidates is how many candidates of one client are taken; a browser sends some ten.
const maxCandidates = 128

// Errors of the signalling.
var (
	// ErrCandidate means that a candidate is malformed, or one too many. The connection may still come up without it.
	ErrCandidate = errors.New("peer: invalid ICE candidate")
	// ErrState means that a call came at the wrong time: twice, or for the other version.
	ErrState = errors.New("peer: not expected now")
)

// Offer makes the description to send to a client of version 2 (it can be called once). The candidates follow through
// Handlers.Candidate.
func (p *Peer) Offer(ctx context.Context) (string, error) {
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if err := p.expect(ctx, 2, stepNew); err != nil {
		return "", err
	}
	if err := p.addOfferedLines(); err != nil {
		return "", err
	}
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("peer: make the offer: %w", err)
	}
	p.step, p.localText = stepOffered, offer.SDP
	p.setMID("0") // pion numbers the lines of an offer
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return "", fmt.Errorf("peer: apply our offer: %w", err)
	}
	return withMessageSize(offer.SDP), nil
}

// AcceptAnswer applies the client's answer to Offer and starts connecting. Errors: ErrDescription, ErrNoCommonCodec,
// ErrState; after the first two the peer is of no use and should be closed.
func (p *Peer) AcceptAnswer(ctx context.Context, sdp string) error {
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if err := p.expect(ctx, 2, stepOffered); err != nil {
		return err
	}
	if err := checkAnswer(p.localText, sdp, p.ranked); err != nil {
		return err
	}
	p.step = stepDescribed
	p.connecting.Store(time.Now().UnixNano())
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}
	if err := p.pc.SetRemoteDescription(answer); err != nil {
		return describe("apply the answer", err)
	}
	p.described()
	return nil
}

// AcceptOffer applies the offer of a client of version 1 and returns the answer to send. channels are the page's own, which
// in this version come with the offer. It can be called once. Errors as of AcceptAnswer, and ErrSettings for channels that
// a client must not have.
func (p *Peer) AcceptOffer(ctx context.Context, sdp string, channels []string) (string, error) {
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if err := p.expect(ctx, 1, stepNew); err != nil {
		return "", err
	}
	settings := p.cfg.Settings
	settings.DataChannels = pageChannels(append(slices.Clone(settings.DataChannels), channels...))
	if err := settings.Validate(); err != nil {
		return "", err
	}
	p.channels.want(settings)
	wantsVideo, err := checkOffer(sdp, p.ranked)
	if err != nil {
		return "", err
	}
	if err := p.addAnsweredTracks(wantsVideo); err != nil {
		return "", err
	}
	p.step = stepDescribed
	p.connecting.Store(time.Now().UnixNano())
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}
	if err := p.pc.SetRemoteDescription(offer); err != nil {
		return "", describe("apply the offer", err)
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", describe("answer the offer", err)
	}
	if parsed, err := parseDescription(answer.SDP); err == nil {
		mid, _ := parsed.MediaDescriptions[0].Attribute("mid")
		p.setMID(mid)
	}
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", describe("apply our answer", err)
	}
	p.described()
	return withMessageSize(answer.SDP), nil
}

// AddCandidate takes a candidate of the client, also before its description. A `.local` name that cannot be resolved is
// no error. Errors: ErrCandidate, ErrState after Close.
func (p *Peer) AddCandidate(candidate webrtc.ICECandidateInit) error {
	line := strings.TrimPrefix(strings.TrimSpace(candidate.Candidate), "candidate:")
	if line == "" {
		return nil // the mark of the end of candidates
	}
	if _, err := ice.UnmarshalCandidate(line); err != nil {
		if errors.Is(err, ice.ErrUnknownCandidateTyp) || errors.Is(err, ice.ErrDetermineNetworkType) {
			return nil // of a kind we cannot use, such as an address we cannot reach
		}
		return fmt.Errorf("%w: %w", ErrCandidate, err)
	}
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if p.step == stepClosed {
		return fmt.Errorf("%w: the peer is closed", ErrState)
	}
	if p.candidates++; p.candidates > maxCandidates {
		return fmt.Errorf("%w: more than %d of them", ErrCandidate, maxCandidates)
	}
	if p.step != stepDescribed {
		p.early = append(p.early, candidate)
		return nil
	}
	return p.addCandidate(candidate)
}

func (p *Peer) addCandidate(candidate webrtc.ICECandidateInit) error {
	if err := p.pc.AddICECandidate(candidate); err != nil {
		return fmt.Errorf("%w: %w", ErrCandidate, err)
	}
	return nil
}

// expect tells whether the signalling is at the given step of the given version.
func (p *Peer) expect(ctx context.Context, version int, step signallingStep) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if p.cfg.Settings.APIVersion != version || p.step != step {
		return fmt.Errorf("%w: version %d of the signalling, step %d", ErrState, p.cfg.Settings.APIVersion, p.step)
	}
	return nil
}

// described is called when both descriptions are there.
func (p *Peer) described() {
	for _, candidate := range p.early {
		if err := p.addCandidate(candidate); err != nil {
			p.log.Debug("early candidate not used", "error", err)
		}
	}
	p.early = nil
	p.goroutines.Go(func() { p.watchPairs(p.ctx) })
	if codec := p.codec(); codec != "" {
		p.tell(func(h *Handlers) {
			if h.CodecChosen != nil {
				h.CodecChosen(codec)
			}
		})
	}
}

// describe marks an error of pion as the client's fault, which it is once our own checks have passed.
func describe(doing string, err error) error {
	if errors.Is(err, ErrNoCommonCodec) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrDescription, doing, err)
}

func (p *Peer) onCandidate(candidate *webrtc.ICECandidate) {
	if candidate == nil {
		return // the end of candidates is not signalled
	}
	init := candidate.ToJSON()
	if mid := p.mid.Load(); mid != nil {
		init.SDPMid = mid
	}
	p.tell(func(h *Handlers) {
		if h.Candidate != nil {
			h.Candidate(init)
		}
	})
}

func (p *Peer) setMID(mid string) { p.mid.Store(&mid) }
