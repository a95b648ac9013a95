package streamer

import (
	"cmp"
	"context"

	"streamstack/events"
	"streamstack/streamer/peer"
)

// joined lets a new client in: the one before is told to go, and the display gets the size that came with the join. That is done now and
// not with the client's settings, so that the application has time to draw itself anew. A viewer comes beside it.
func (s *Streamer) joined(ctx context.Context, e events.Event) error {
	id := e.Peer()
	if watches(e) {
		return s.viewerJoined(ctx, id)
	}
	if s.client != nil && s.client.id == id {
		return nil // said twice
	}
	s.wanted, s.early = id, nil
	if s.client != nil {
		if err := s.drop(ctx, s.client, peer.Displaced, events.DisconnectedData{Reason: events.ReasonDisplaced}); err != nil {
			return err
		}
	}
	var d events.JoinedData
	if err := e.Decode(&d); err != nil || d.Screen == nil {
		return nil //nolint:nilerr // an event that cannot be read asks for no other screen
	}
	return s.resize(ctx, id, *d.Screen)
}

// resize gives the display another size. A client whose size cannot be had is served with the one there is.
func (s *Streamer) resize(ctx context.Context, id events.PeerID, want events.Screen) error {
	want.FPS, want.Density = cmp.Or(want.FPS, s.screen.FPS), cmp.Or(want.Density, s.screen.Density)
	s.screen.Density = cmp.Or(s.screen.Density, want.Density) // the agent does not tell it
	if want == s.screen || want.Width < 1 || want.Height < 1 {
		return nil
	}
	if s.cfg.Resize == nil {
		s.log.Warn("the display of this session cannot be resized: the client gets it as it is", "peer", id)
		return nil
	}
	// Who watches cannot follow a picture that changes its size.
	if err := s.sendViewersAway(ctx, "the screen changes its size: join again", nil); err != nil {
		return err
	}
	rctx, cancel := context.WithTimeout(ctx, resizeTime)
	defer cancel()
	got, err := s.cfg.Resize(rctx, want)
	if err != nil {
		s.log.Error("the display was not resized: the client gets it as it is", "peer", id, "wanted", want, "err", err)
		return nil
	}
	if got == s.screen {
		return nil
	}
	s.screen = got
	s.inside.display(s.table())
	return s.say(ctx, events.Resized, events.ResizedData{Peer: id, Screen: got})
}

// settings begin a negotiation. A client that repeats itself is served once, also when it was refused or has left.
func (s *Streamer) settings(ctx context.Context, e events.Event) error {
	if s.served == s.wanted {
		return nil
	}
	var d events.SettingsData
	if err := e.Decode(&d); err != nil {
		d.Settings = nil // which is refused
	}
	return s.serve(ctx, s.wanted, d.Settings)
}

// firstVersion are the settings of a client that sends none.
var firstVersion = events.Raw(`{"api_version":1}`)

// serve begins the negotiation with a client.
func (s *Streamer) serve(ctx context.Context, id events.PeerID, settings events.Raw) error {
	s.served = id
	c, err := s.newClient(ctx, id, settings, false)
	if err != nil {
		s.log.Warn("client refused", "peer", id, "err", err)
		return s.say(ctx, events.Disconnected, events.DisconnectedData{Peer: id, Reason: events.ReasonRefused, Message: publicText(err)})
	}
	s.client = c
	for _, e := range s.early {
		c.candidate(e)
	}
	s.early = nil
	return c.begin(ctx)
}
