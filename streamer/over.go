package streamer

import (
	"errors"

	"streamstack/events"
)

// ErrOver is returned by [Streamer.Run] when the log says that the attempt of the session that the streamer belongs to is
// over. Its agent ends the instance then; where the agent has died, nobody else does.
var ErrOver = errors.New("streamer: the session, or this attempt at it, is over")

// isOver tells whether an event ends the streamer's own attempt: the history that it reads from its beginning has the
// endings of earlier ones too.
func (s *Streamer) isOver(e events.Event) bool {
	if !e.Sound() || s.cfg.Attempt == 0 {
		return false
	}
	var d struct {
		Attempt int `json:"attempt"`
	}
	switch {
	case e.Is(events.Gateway, events.Expired):
		return true
	case e.Is(events.Agent, events.Claimed):
		return e.Decode(&d) == nil && d.Attempt > s.cfg.Attempt
	case e.Is(events.Agent, events.Terminated), e.Is(events.Agent, events.Failed), e.Is(events.Agent, events.AttemptFailed),
		e.Is(events.Gateway, events.AgentLost), e.Is(events.Gateway, events.Requeued):
		return e.Decode(&d) == nil && d.Attempt >= s.cfg.Attempt
	}
	return false
}
