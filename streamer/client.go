package streamer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v3"

	"streamstack/events"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
	"streamstack/streamer/rtclog"
)

// client is the client that is served, or a viewer beside it. All its methods run on the loop's goroutine, but those that are handlers of
// the peer, which post.
type client struct {
	s         *Streamer
	id        events.PeerID
	viewer    bool          // it only watches
	shownIn   frame.Codec   // of a viewer that is shown the pictures
	ignored   atomic.Uint64 // messages of a viewer that had no effect
	peer      *peer.Peer    // nil for the one that stands in for viewers alone
	limit     bitrate.Limit
	screen    events.Screen // the picture keeps its size as long as the client is served
	begun     time.Time
	settings  peer.Settings
	sound     bool // the client wants it, and there is some
	captures  *captures
	quality   *sampler
	controls  *controls
	decisions *decisions
	connected bool
	gone      *events.DisconnectedData // how its service ended, once it has
	channels  sync.WaitGroup           // that serve the page's own channels
	// done ends the handlers' waiting for the loop; the loop calls it before it waits for the handlers.
	done context.CancelFunc
}

// newClient makes the peer that a client's settings ask for.
func (s *Streamer) newClient(ctx context.Context, id events.PeerID, raw events.Raw, viewer bool) (*client, error) {
	settings, err := peer.ParseSettings(raw)
	if err != nil {
		return nil, &errRefused{err.Error(), err}
	}
	codecs := s.codecs()
	if viewer {
		settings, codecs = onlyWatching(settings), s.shownCodecs()
	} else if err := s.tellApplication(id, settings); err != nil {
		s.log.Error("the application is not told of its client", "err", err)
	}
	sound := s.cfg.Audio && settings.EnableSpeaker
	// The line of a microphone is one that sends, too (signalling.md, section 5); nothing needs to be sent on it.
	settings.EnableSpeaker = settings.EnableSpeaker || settings.EnableMicrophone
	c := &client{s: s, id: id, viewer: viewer, begun: time.Now(), settings: settings, sound: sound, screen: s.screen, limit: s.limit()}
	c.captures, c.quality, c.decisions, c.controls = newCaptures(c), &sampler{c: c}, &decisions{c: c}, newControls(c)
	trace := s.inside.trace.Peer(string(id))
	life, done := context.WithCancel(ctx)
	c.done = done
	c.peer, err = peer.New(ctx, peer.Config{
		ID: string(id), Settings: settings, Codecs: codecs, Network: s.cfg.Network, Log: s.log.With("peer", id),
		MinBitrate: c.lowest(viewer), MaxBitrate: c.maxKbps() * 1000, StartBitrate: c.startKbps() * 1000,
		FPS: s.screen.FPS, Tracer: trace,
		Handlers: c.handlers(life, trace),
	})
	if err != nil {
		done()
		return nil, &errRefused{"the peer connection could not be made", err}
	}
	s.inside.enter(c)
	return c, nil
}

// handlers are called by the peer on goroutines of its own.
func (c *client) handlers(ctx context.Context, trace *rtclog.Peer) peer.Handlers {
	post := func(f func(context.Context) error) {
		c.s.post(ctx, func(ctx context.Context) error {
			if !c.s.serves(c) {
				return nil // displaced meanwhile
			}
			return f(ctx)
		})
	}
	if c.viewer {
		return c.viewerHandlers(c.commonHandlers(post), post)
	}
	h := c.commonHandlers(post)
	h.Channel = func(ch *peer.Channel) { c.serveChannel(ctx, ch) }
	h.ChannelOpen = func(label string) {
		if label == peer.ControlChannel {
			c.controls.opened()
			c.askDevices(post)
		}
	}
	h.Track = func(remote *webrtc.TrackRemote) { c.track(ctx, remote, post) }
	h.Keyframe = func(cause peer.KeyframeCause) { c.captures.keyframe(cause == peer.KeyframeStart) }
	h.Target = c.captures.aim
	h.Decision = func(d peer.Decision) { c.decisions.add(d); trace.Decided(d) }
	h.Message = func(label string, data []byte, _ bool) {
		if label == peer.ControlChannel {
			c.controls.message(ctx, data, post)
		}
	}
	return h
}

// commonHandlers are those of clients and viewers.
func (c *client) commonHandlers(post func(func(context.Context) error)) peer.Handlers {
	return peer.Handlers{
		Candidate: func(i webrtc.ICECandidateInit) {
			c.s.logCandidate(c.id, "local", i.Candidate)
			post(func(ctx context.Context) error {
				return c.s.say(ctx, events.Candidate, events.CandidateData{Peer: c.id, Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex})
			})
		},
		CodecChosen: func(codec frame.Codec) {
			post(func(ctx context.Context) error { return c.chosen(ctx, codec) })
		},
		Connected: func(n peer.Connection) {
			post(func(ctx context.Context) error { return c.up(ctx, n) })
		},
		Disconnected: func(e peer.Ending) {
			post(func(ctx context.Context) error {
				return c.s.drop(ctx, c, peer.Gone, events.DisconnectedData{Reason: string(e)})
			})
		},
	}
}

// begin makes the offer; in version 1 the client does.
func (c *client) begin(ctx context.Context) error {
	if c.settings.APIVersion < 2 {
		return nil
	}
	if c.sound && !c.viewer {
		c.captures.startAudio(ctx)
	}
	nctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	sdp, err := c.peer.Offer(nctx)
	if err != nil {
		return c.refuse(ctx, "no offer could be made", err)
	}
	return c.s.say(ctx, events.Offer, events.SDPData{Peer: c.id, SDP: sdp})
}

// answered takes the client's answer (version 2).
func (c *client) answered(ctx context.Context, e events.Event) error {
	var d events.SDPData
	if err := e.Decode(&d); err != nil {
		return c.refuse(ctx, "the answer cannot be read", err)
	}
	nctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	switch err := c.peer.AcceptAnswer(nctx, d.SDP); {
	case errors.Is(err, peer.ErrState):
		c.unexpected(e)
	case err != nil:
		return c.refuse(ctx, refusal("answer", err), err)
	}
	return nil
}

// offered takes the client's offer and answers it (version 1).
func (c *client) offered(ctx context.Context, e events.Event) error {
	var d events.SDPData
	if err := e.Decode(&d); err != nil {
		return c.refuse(ctx, "the offer cannot be read", err)
	}
	nctx, cancel := context.WithTimeout(ctx, negotiateTime)
	defer cancel()
	if c.viewer {
		d.DataChannels = nil
	}
	sdp, err := c.peer.AcceptOffer(nctx, d.SDP, d.DataChannels)
	switch {
	case errors.Is(err, peer.ErrState):
		c.unexpected(e)
		return nil
	case err != nil:
		return c.refuse(ctx, refusal("offer", err), err)
	}
	if c.sound && !c.viewer && c.peer.SendsAudio() {
		c.captures.startAudio(ctx)
	}
	return c.s.say(ctx, events.Answer, events.SDPData{Peer: c.id, SDP: sdp})
}

// unexpected logs a repeated message, or one of the other version; it changes nothing.
func (c *client) unexpected(e events.Event) {
	c.s.log.Debug("a message that is not expected now is ignored", "event", e.Name, "peer", c.id)
}

// candidate adds a candidate of the client; one that cannot be used is only logged.
func (c *client) candidate(e events.Event) {
	var d events.CandidateData
	if err := e.Decode(&d); err != nil {
		return
	}
	c.s.logCandidate(c.id, "remote", d.Candidate)
	if err := c.peer.AddCandidate(webrtc.ICECandidateInit{Candidate: d.Candidate, SDPMid: d.SDPMid, SDPMLineIndex: d.SDPMLineIndex}); err != nil {
		c.s.log.Debug("candidate not used", "peer", c.id, "err", err)
	}
}

// chosen starts the capture in the codec that was negotiated.
func (c *client) chosen(ctx context.Context, codec frame.Codec) error {
	encoders := c.s.encoders(codec)
	if len(encoders) == 0 {
		return c.refuse(ctx, refusal("answer", peer.ErrNoCommonCodec), fmt.Errorf("no encoder for %s", codec))
	}
	if c.viewer {
		return c.s.seat(ctx, c, codec)
	}
	if err := c.s.takeOver(ctx, c, codec); err != nil {
		return err
	}
	c.captures.startVideo(ctx, encoders, c.startKbps())
	return nil
}

// up appends connected.
func (c *client) up(ctx context.Context, n peer.Connection) error {
	c.connected = true
	c.s.inside.up(c, n)
	if l, tuned := c.s.inside.tuned(); tuned {
		c.decisions.tunedFrom(time.Now(), l)
	}
	c.quality.start(ctx)
	c.decisions.start(ctx)
	var element string
	if encoders := c.s.encoders(n.Codec); len(encoders) > 0 {
		element = encoders[0].Element
	}
	return c.s.say(ctx, events.Connected, events.ConnectedData{
		Peer: c.id, Codec: string(n.Codec), Encoder: element, ConnectMs: time.Since(c.begun).Milliseconds(),
		Pair: events.PairData{
			Local: events.CandidateEnd{Kind: n.LocalType, Family: n.LocalFamily}, Remote: events.CandidateEnd{Kind: n.RemoteType, Family: n.RemoteFamily},
			Protocol: n.Protocol,
		},
		Tried: c.tried(),
	})
}

// tried are the candidate pairs checked so far.
func (c *client) tried() (list []events.TriedData) {
	for _, p := range c.peer.Pairs() {
		list = append(list, events.TriedData(p))
	}
	return list
}

// close ends the peer first, so that no input of it comes any more, and then lets go of what it held down.
func (c *client) close(ctx context.Context, how peer.Reason) {
	c.done()
	c.quality.close()
	c.decisions.close()
	c.peer.Close(how)
	c.s.inside.leave(c)
	c.captures.close()
	c.channels.Wait()
	if !c.viewer { // who has pressed nothing
		c.controls.close(ctx)
	}
}
