package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"streamstack/events"
	"streamstack/events/bridge"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
	"streamstack/streamer/peer"
	"streamstack/streamer/rtclog"
)

// Streamer serves one session. Make it with [New], run it with [Streamer.Run].
type Streamer struct {
	cfg Config
	log *slog.Logger

	// do carries what happened elsewhere to the goroutine of Run, which alone touches what follows.
	do chan func(context.Context) error

	wanted events.PeerID  // who was let in last
	served events.PeerID  // whose settings were taken last; each peer id is one negotiation
	client *client        // who is served, nil for nobody
	early  []events.Event // candidates of who is wanted, from before there was anything to use them for
	viewing
	screen events.Screen // of the display, as it is now
	inside *inside
	// failed are the encoders, by element, that failed in this session.
	failed map[string]bool
}

// maxEarly bounds the candidates that are kept; a browser sends some ten, and after its description.
const maxEarly = 64

// New makes a streamer. It fails where the machine or the libraries cannot do what a session needs.
func New(cfg Config) (*Streamer, error) {
	if len(cfg.Encoders) == 0 {
		return nil, errors.New("streamer: no video encoder works on this machine: install gstreamer1.0-plugins-ugly (x264enc) or gstreamer1.0-plugins-good (vp8enc)")
	}
	if err := peer.CheckAbort(); err != nil {
		return nil, fmt.Errorf("streamer: %w", err)
	}
	s := &Streamer{cfg: cfg, log: cfg.Logger.With("component", "streamer"), do: make(chan func(context.Context) error), screen: cfg.Screen, failed: map[string]bool{}}
	s.viewing = newViewing(s.log)
	s.inside = newInside(rtclog.New(cfg.Traces, s.log), s.table())
	told := rate.NewLimiter(rate.Every(time.Minute), 10) // a program may change them all the time, and the log is not its alone
	s.inside.changed = func(l bitrate.Limit) {
		if !told.Allow() {
			return
		}
		s.log.Info("the instance bounds the bitrate", "min_kbps", l.MinKbps, "max_kbps", l.MaxKbps)
	}
	return s, nil
}

// Run appends ready and serves clients until the context ends or something that a session cannot be without fails.
func (s *Streamer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(ctx, s.read(ctx)) })
	group.Go(func() error { return ended(ctx, s.loop(ctx)) })
	group.Go(func() error { s.audience.run(ctx); return nil })
	group.Go(func() error { return ended(ctx, s.beat(ctx)) })
	group.Go(func() error { s.serveInside(ctx); return nil })
	if s.cfg.ADB != nil {
		b := &bridge.Server{Conn: s.cfg.Log.Conn(), Region: s.cfg.Region, Session: s.cfg.Session, Dial: s.cfg.ADB, Log: s.log}
		group.Go(func() error { return ended(ctx, b.Run(ctx)) })
	}
	if out := s.cfg.Extras.ClipboardOut; out != nil {
		group.Go(func() error { return ended(ctx, s.shareClipboard(ctx, out)) })
	}
	return group.Wait()
}

// ended turns the end of a loop because the streamer stops into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // every loop ends with an error; this end was asked for
	}
	return err
}

func (s *Streamer) loop(ctx context.Context) error {
	defer s.goodbye(ctx)
	if err := s.say(ctx, events.Ready, s.ready()); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("streamer: %w", ctx.Err())
		case f := <-s.do:
			if err := f(ctx); err != nil {
				return err
			}
		case <-s.cfg.Input.Done():
			return fmt.Errorf("streamer: the input has ended: %w", orElse(s.cfg.Input.Err(), "the X server is gone"))
		}
	}
}

// post has f run on the loop's goroutine, unless ctx ends first.
func (s *Streamer) post(ctx context.Context, f func(context.Context) error) {
	select {
	case s.do <- f:
	case <-ctx.Done():
	}
}

// ready is what the streamer says of itself.
func (s *Streamer) ready() events.ReadyData {
	d := events.ReadyData{Screen: s.screen, Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: s.screen.FPS, Capabilities: s.cfg.Extras.Capabilities}, ADB: s.cfg.ADB != nil}
	for _, e := range s.cfg.Encoders {
		d.Encoders = append(d.Encoders, events.EncoderData{Codec: string(e.Codec), Element: e.Element, Hardware: e.Hardware})
	}
	for _, c := range s.codecs() {
		d.Codecs = append(d.Codecs, string(c))
	}
	return d
}

// codecs are what may be offered, best first; a client's preference comes on top.
func (s *Streamer) codecs() []frame.Codec {
	var working []encoder.Working
	for _, e := range s.cfg.Encoders {
		working = append(working, encoder.Working{Codec: e.Codec, Hardware: e.Hardware})
	}
	return encoder.Choose(working, nil, s.cfg.DisabledCodecs)
}

// encoders are those for a codec, best first; one that has failed in this session is a last resort.
func (s *Streamer) encoders(c frame.Codec) (good []Encoder) {
	var bad []Encoder
	for _, e := range s.cfg.Encoders {
		switch {
		case e.Codec != c:
		case s.failed[e.Element]:
			bad = append(bad, e)
		default:
			good = append(good, e)
		}
	}
	return append(good, bad...)
}

// handle takes one event of the session.
func (s *Streamer) handle(ctx context.Context, e events.Event) error {
	switch {
	case s.isOver(e):
		return ErrOver
	case e.Is(events.Gateway, events.Joined):
		return s.joined(ctx, e)
	case e.Actor != events.Client || !e.Sound():
		return nil
	case s.viewers[e.Peer()] != nil:
		return s.viewerSays(ctx, s.viewers[e.Peer()], e)
	case e.Peer() != s.wanted:
		s.log.Debug("a displaced client's message is ignored", "event", e.Name, "peer", e.Peer())
		return nil
	case e.Name == events.Settings:
		return s.settings(ctx, e)
	case e.Name == events.Offer && s.served != s.wanted:
		// The oldest clients say nothing before their offer (signalling.md, section 4).
		if err := s.serve(ctx, s.wanted, firstVersion); err != nil {
			return err
		}
	case e.Name == events.Candidate && s.served != s.wanted && len(s.early) < maxEarly:
		s.early = append(s.early, e)
	}
	if s.client == nil {
		return nil
	}
	switch e.Name {
	case events.Offer:
		return s.client.offered(ctx, e)
	case events.Answer:
		return s.client.answered(ctx, e)
	case events.Candidate:
		s.client.candidate(e)
	}
	return nil
}

// drop ends the service of a client and appends why.
func (s *Streamer) drop(ctx context.Context, c *client, how peer.Reason, d events.DisconnectedData) error {
	if !s.serves(c) {
		return nil // dropped before
	}
	d.Peer, d.Connected, d.InputDropped = c.id, c.connected, c.ignored.Load()
	if !c.connected {
		d.Tried = c.tried()
	}
	c.gone = &d // should the log not answer, the good-bye still says it
	c.close(ctx, how)
	if err := s.say(ctx, events.Disconnected, d); err != nil {
		return err
	}
	return s.left(ctx, c)
}

// goodbye tells the client that the stream ends, while there is still time.
func (s *Streamer) goodbye(ctx context.Context) {
	defer s.goodbyeViewers(ctx)()
	c := s.client
	if c == nil {
		return
	}
	s.client = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	// Side by side: neither may use up the other's time.
	var closing sync.WaitGroup
	closing.Go(func() { c.close(ctx, peer.Ended) })
	d := events.DisconnectedData{Peer: c.id, Reason: events.ReasonEnded, Connected: c.connected}
	if c.gone != nil {
		d = *c.gone
	}
	if err := s.say(ctx, events.Disconnected, d); err != nil {
		s.log.Warn("the end of the stream was not recorded", "err", err)
	}
	closing.Wait()
}

// orElse gives an end that has no reason one.
func orElse(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return errors.New(otherwise)
}
