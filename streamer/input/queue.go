package input

import (
	"image"

	"streamstack/streamer/control"
)

// command is what the owner of the connection is asked to do: apply a message, or release everything and tell.
type command struct {
	message control.Message
	// released is set for a release: it is closed when everything is up.
	released chan struct{}
	// screen is set, with released, for a screen of another size.
	screen image.Point
}

// coalesce shortens a batch of waiting commands: neighbouring moves become one, and what stands before a release is dropped, since the
// input of a client that is gone is void. Keys, buttons and wheel steps stay as they are.
func coalesce(batch []command) []command {
	out := batch[:0:0]
	var released []command
	for _, c := range batch {
		if c.released != nil {
			out = out[:0]
			released = append(released, c)
			continue
		}
		if merged, ok := mergeMove(out, c); ok {
			out[len(out)-1].message = merged
			continue
		}
		out = append(out, c)
	}
	return append(released, out...)
}

// mergeMove joins a move with the one before it: the later place counts, movements add up.
func mergeMove(before []command, c command) (control.MouseMove, bool) {
	move, ok := c.message.(control.MouseMove)
	if !ok || len(before) == 0 {
		return control.MouseMove{}, false
	}
	last, ok := before[len(before)-1].message.(control.MouseMove)
	if !ok || last.Absolute != move.Absolute {
		return control.MouseMove{}, false
	}
	move.RX += last.RX
	move.RY += last.RY
	return move, true
}
