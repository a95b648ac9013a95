package streamer

import (
	"context"
	"maps"
	"slices"

	"streamstack/events"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

// seat begins to show a viewer what is encoded, in the codec that was negotiated with it.
func (s *Streamer) seat(ctx context.Context, c *client, codec frame.Codec) error {
	if s.shown == "" {
		s.showAlone(ctx, codec)
	}
	if s.shown != codec {
		return s.drop(ctx, c, peer.Displaced, events.DisconnectedData{Reason: events.ReasonDisplaced, Message: "the session is now shown in " + string(s.shown) + ": join again"})
	}
	c.shownIn = codec
	s.audience.add(c.peer)
	return nil
}

// takeOver makes a client's captures the ones that viewers see. Those who were shown another codec are sent away.
func (s *Streamer) takeOver(ctx context.Context, c *client, codec frame.Codec) error {
	s.closeAlone()
	s.shown = codec
	s.source.Store(c.captures)
	return s.sendViewersAway(ctx, "the session is now shown in "+string(codec)+": join again", func(v *client) bool { return v.shownIn == codec })
}

// sendViewersAway ends the service of all viewers but those that keep tells; they may join again at once.
func (s *Streamer) sendViewersAway(ctx context.Context, why string, keep func(*client) bool) error {
	for _, v := range slices.Collect(maps.Values(s.viewers)) {
		if v.client == nil || v.client.shownIn == "" || keep != nil && keep(v.client) {
			continue
		}
		if err := s.drop(ctx, v.client, peer.Displaced, events.DisconnectedData{Reason: events.ReasonDisplaced, Message: why}); err != nil {
			return err
		}
	}
	return nil
}

// showAlone encodes for viewers while there is no client.
func (s *Streamer) showAlone(ctx context.Context, codec frame.Codec) {
	c := &client{s: s, screen: s.screen, limit: s.limit()}
	c.captures, c.quality = newCaptures(c), &sampler{c: c}
	s.alone, s.shown = c, codec
	s.inside.enter(c)
	s.source.Store(c.captures)
	c.captures.startVideo(ctx, s.encoders(codec), c.startKbps())
	if s.cfg.Audio {
		c.captures.startAudio(ctx)
	}
}

func (s *Streamer) closeAlone() {
	if s.alone != nil {
		s.inside.leave(s.alone)
		s.alone.captures.close()
		s.alone = nil
	}
}

// showVideo hands on a picture of this client's captures.
func (c *client) showVideo(f frame.Video) {
	if c.peer != nil {
		c.peer.WriteVideo(f)
	}
	c.s.audience.video(f)
}

// showAudio hands on sound likewise.
func (c *client) showAudio(f frame.Audio) {
	if c.peer != nil {
		c.peer.WriteAudio(f)
	}
	c.s.audience.audio(f)
}
