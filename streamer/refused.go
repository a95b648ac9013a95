package streamer

import (
	"context"
	"errors"

	"streamstack/events"
	"streamstack/streamer/peer"
)

// errRefused carries a text that the client may see.
type errRefused struct {
	text  string
	cause error
}

func (e *errRefused) Error() string { return e.text + ": " + e.cause.Error() }
func (e *errRefused) Unwrap() error { return e.cause }

// publicText is what a refused client is told.
func publicText(err error) string {
	var r *errRefused
	if errors.As(err, &r) {
		return r.text
	}
	return "the negotiation failed"
}

// refusal words what is wrong with a description.
func refusal(what string, err error) string {
	if errors.Is(err, peer.ErrSettings) {
		return err.Error()
	}
	if errors.Is(err, peer.ErrNoCommonCodec) {
		return "no video codec in common: this browser decodes none that the server encodes"
	}
	return "the " + what + " was not accepted"
}

// refuse ends a negotiation that cannot go on; the next client is served as usual.
func (c *client) refuse(ctx context.Context, text string, cause error) error {
	c.s.log.Warn("client refused", "peer", c.id, "why", text, "err", cause)
	return c.s.drop(ctx, c, peer.Gone, events.DisconnectedData{Reason: events.ReasonRefused, Message: text})
}
