package streamer

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"streamstack/events"
	"streamstack/projections"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

// Viewers watch what the client does, several at once; see audience.go for how they are served.
//
// There is one encoder at any time: the client's, or while there is no client one that runs for the viewers alone. So all are
// shown one codec, and a viewer is offered only that. A client that comes with another codec, or another size of the screen,
// sends the viewers away; their pages join again. Viewers hear what the client is sent: where it has no sound, nor have they.

const (
	// maxWatching is how many viewers are served at once, whatever the gateway lets in.
	maxWatching = projections.MaxViewers
	// settleTime is how long a viewer may take from its joining to its connection: the SDK's five minutes.
	settleTime = 5 * time.Minute
	// viewerMinBitrate is the least that a viewer's estimate falls to, bit/s.
	viewerMinBitrate = 100_000
	// maxLeaving is the length of the longest message of a viewer that is looked at, in bytes: it may say that it leaves.
	maxLeaving = 256
)

// viewing is what a streamer knows of its viewers. Only the loop's goroutine touches it, but for audience and source.
type viewing struct {
	viewers  map[events.PeerID]*viewer
	audience *audience
	// source are the captures that run, nil for none.
	source *atomic.Pointer[captures]
	// shown is the codec that is encoded now, empty for none. alone stands in for the client while there is none.
	shown frame.Codec
	alone *client
}

// viewer is one that was let in.
type viewer struct {
	id     events.PeerID
	served bool           // its settings were taken
	early  []events.Event // candidates from before that
	client *client        // nil before, and when it has gone
	late   *time.Timer    // ends the waiting for it
}

func newViewing(log *slog.Logger) viewing {
	source := &atomic.Pointer[captures]{}
	return viewing{viewers: map[events.PeerID]*viewer{}, source: source, audience: newAudience(log, func() {
		if k := source.Load(); k != nil {
			k.keyframe(false)
		}
	})}
}

// watches tells whether joined lets a viewer in.
func watches(e events.Event) bool {
	var d events.JoinedData
	return e.Decode(&d) == nil && d.Role == events.RoleViewer
}

// onlyWatching takes everything out of the settings that a viewer has no right to.
func onlyWatching(settings peer.Settings) peer.Settings {
	settings.DataChannels, settings.EnableMicrophone, settings.EnableCamera = nil, false, false
	return settings
}

// shownCodecs are what a viewer may be offered.
func (s *Streamer) shownCodecs() []frame.Codec {
	if s.shown != "" {
		return []frame.Codec{s.shown}
	}
	return s.codecs()
}

// limit is the range of the bitrate as it is now.
func (s *Streamer) limit() bitrate.Limit { return s.inside.limit() }

// table is the range that the screen has by itself, as it is.
func (s *Streamer) table() bitrate.Limit {
	return s.cfg.Bitrate.Select(s.screen.Width, s.screen.Height, s.screen.FPS)
}

// serves tells whether c is the client, or one of the viewers.
func (s *Streamer) serves(c *client) bool {
	if !c.viewer {
		return s.client == c
	}
	v := s.viewers[c.id]
	return v != nil && v.client == c
}

// viewerJoined lets a viewer in.
func (s *Streamer) viewerJoined(ctx context.Context, id events.PeerID) error {
	if s.viewers[id] != nil {
		return nil
	}
	if len(s.viewers) >= maxWatching {
		return s.say(ctx, events.Disconnected, events.DisconnectedData{Peer: id, Reason: events.ReasonRefused, Message: "too many viewers"})
	}
	v := &viewer{id: id}
	v.late = time.AfterFunc(settleTime, func() {
		s.post(ctx, func(ctx context.Context) error { return s.tooLate(ctx, v) })
	})
	s.viewers[id] = v
	return nil
}

// tooLate gives up a viewer that has not connected, so that its place is free.
func (s *Streamer) tooLate(ctx context.Context, v *viewer) error {
	switch {
	case s.viewers[v.id] != v || v.client != nil && v.client.connected:
		return nil
	case v.client != nil:
		return s.drop(ctx, v.client, peer.Gone, events.DisconnectedData{Reason: events.ReasonLost})
	}
	delete(s.viewers, v.id)
	return s.say(ctx, events.Disconnected, events.DisconnectedData{Peer: v.id, Reason: events.ReasonLost})
}

// viewerSays takes a message of a viewer.
func (s *Streamer) viewerSays(ctx context.Context, v *viewer, e events.Event) error {
	switch {
	case v.served:
	case e.Name == events.Settings:
		var d events.SettingsData
		if err := e.Decode(&d); err != nil {
			d.Settings = nil // which is refused
		}
		return s.serveViewer(ctx, v, d.Settings)
	case e.Name == events.Offer:
		if err := s.serveViewer(ctx, v, firstVersion); err != nil {
			return err
		}
	case e.Name == events.Candidate && len(v.early) < maxEarly:
		v.early = append(v.early, e)
	}
	if v.client == nil {
		return nil
	}
	switch e.Name {
	case events.Offer:
		return v.client.offered(ctx, e)
	case events.Answer:
		return v.client.answered(ctx, e)
	case events.Candidate:
		v.client.candidate(e)
	}
	return nil
}

// serveViewer begins the negotiation with a viewer.
func (s *Streamer) serveViewer(ctx context.Context, v *viewer, settings events.Raw) error {
	v.served = true
	c, err := s.newClient(ctx, v.id, settings, true)
	if err != nil {
		s.log.Warn("viewer refused", "peer", v.id, "err", err)
		s.forget(v)
		return s.say(ctx, events.Disconnected, events.DisconnectedData{Peer: v.id, Reason: events.ReasonRefused, Message: publicText(err)})
	}
	v.client = c
	for _, e := range v.early {
		c.candidate(e)
	}
	v.early = nil
	return c.begin(ctx)
}

// viewerHandlers add what is a viewer's alone: nothing that it sends is input.
func (c *client) viewerHandlers(h peer.Handlers, post func(func(context.Context) error)) peer.Handlers {
	a := c.s.audience
	h.Channel = func(ch *peer.Channel) { ch.Close() }
	h.Keyframe = func(cause peer.KeyframeCause) { a.keyframe(c.peer, cause != peer.KeyframeStart) }
	h.Target = func(t peer.Target) { a.estimated(c.peer, t.Bitrate) }
	h.Message = func(_ string, data []byte, _ bool) {
		if len(data) <= maxLeaving {
			if m, err := control.Parse(data); err == nil {
				if _, leaving := m.(control.Disconnect); leaving {
					post(func(ctx context.Context) error {
						return c.s.drop(ctx, c, peer.Gone, events.DisconnectedData{Reason: events.ReasonLeft})
					})
					return
				}
			}
		}
		c.ignored.Add(1)
	}
	return h
}

// left goes on without a client or viewer that was dropped.
func (s *Streamer) left(ctx context.Context, c *client) error {
	if c.viewer {
		s.forget(s.viewers[c.id])
	} else {
		s.client = nil
	}
	watched := slices.ContainsFunc(slices.Collect(maps.Values(s.viewers)), func(v *viewer) bool { return v.client != nil && v.client.shownIn != "" })
	switch {
	case s.client != nil && s.source.Load() == s.client.captures:
	case watched && s.alone == nil:
		s.showAlone(ctx, s.shown)
	case !watched:
		s.closeAlone()
		s.shown = ""
		s.source.Store(nil)
	}
	return nil
}

// forget takes a viewer out.
func (s *Streamer) forget(v *viewer) {
	v.late.Stop()
	if v.client != nil {
		s.audience.remove(v.client.peer)
	}
	delete(s.viewers, v.id)
}

// goodbyeViewers tells all viewers that the stream ends, side by side; the function that it returns waits for that.
func (s *Streamer) goodbyeViewers(ctx context.Context) (wait func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	var closing sync.WaitGroup
	for _, v := range s.viewers {
		v.late.Stop()
		c := v.client
		if c == nil {
			continue
		}
		s.audience.remove(c.peer)
		closing.Go(func() { c.close(ctx, peer.Ended) })
		closing.Go(func() {
			d := events.DisconnectedData{Peer: c.id, Reason: events.ReasonEnded, Connected: c.connected, InputDropped: c.ignored.Load()}
			if err := s.say(ctx, events.Disconnected, d); err != nil {
				s.log.Warn("the end of the stream was not recorded", "peer", c.id, "err", err)
			}
		})
	}
	clear(s.viewers)
	return func() {
		closing.Wait()
		cancel()
		s.closeAlone()
	}
}
