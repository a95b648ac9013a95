package streamer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamstack/events"
	"streamstack/streamer/inbox"
)

// say appends an event of this streamer, and tries again for a while when the log does not answer. However often it tries,
// it is one event: a second offer would begin a negotiation anew.
func (s *Streamer) say(ctx context.Context, n events.Name, data any) error {
	ctx, cancel := context.WithTimeout(ctx, appendTime)
	defer cancel()
	d, err := events.NewDraft(s.cfg.Region, s.cfg.Session, events.Streamer, n, data).Once()
	if err != nil {
		return fmt.Errorf("streamer: %w", err)
	}
	for {
		_, err := s.cfg.Log.Append(ctx, d)
		if err == nil || !errors.Is(err, events.ErrUnavailable) {
			return err
		}
		s.log.Warn("event not recorded, trying again", "event", n, "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(appendRetry):
		}
	}
}

// read hands the session's events to the loop.
func (s *Streamer) read(ctx context.Context) error {
	r := inbox.Reader{Log: s.cfg.Log, Session: s.cfg.Session, Logger: s.log, Early: s.replay, Event: func(ctx context.Context, e events.Event) {
		s.post(ctx, func(ctx context.Context) error { return s.handle(ctx, e) })
	}}
	return r.Run(ctx)
}

// replay handles what was there when the streamer came: of the last client, and of the viewers with whom no streamer has begun
// before this one. Those with whom one had are told to join again: this one cannot go on with a peer connection of another, and
// until they are gone they take the places of others.
func (s *Streamer) replay(ctx context.Context, early []events.Event) {
	var client events.PeerID
	viewers := map[events.PeerID]bool{} // those who are there, and whether nobody has begun with them
	streamed := map[events.PeerID]bool{}
	for _, e := range early {
		_, viewer := viewers[e.Peer()]
		switch {
		case e.Is(events.Gateway, events.Joined) && watches(e):
			viewers[e.Peer()] = true
		case e.Is(events.Gateway, events.Joined):
			client = e.Peer()
		case e.Is(events.Streamer, events.Disconnected):
			delete(viewers, e.Peer())
		case e.Actor == events.Streamer && viewer:
			viewers[e.Peer()] = false
			streamed[e.Peer()] = streamed[e.Peer()] || e.Name == events.Connected
		}
	}
	for _, e := range early {
		if e.Peer() == client || viewers[e.Peer()] {
			s.post(ctx, func(ctx context.Context) error { return s.handle(ctx, e) })
		}
	}
	for id, fresh := range viewers {
		if !fresh {
			lost := events.DisconnectedData{Peer: id, Reason: events.ReasonLost, Message: "the session's streamer began anew: join again", Connected: streamed[id]}
			s.post(ctx, func(ctx context.Context) error { return s.say(ctx, events.Disconnected, lost) })
		}
	}
}
