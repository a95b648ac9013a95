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

// coalesce shortens a batch of waiting commands: neighbouring moves become one, also those of several fingers, and so does scrolling;
// what stands before a release is dropped, since the input of a client that is gone is void. Keys, buttons and wheel steps stay as they
// are.
func coalesce(batch []command) []command {
	out := batch[:0:0]
	var released []command
	for _, c := range batch {
		if c.released != nil {
			out = out[:0]
			released = append(released, c)
			continue
		}
		if !merge(out, c.message) {
			out = append(out, c)
		}
	}
	return append(released, out...)
}

// merge joins a message with one before it, if it can.
func merge(before []command, message control.Message) bool {
	if len(before) == 0 {
		return false
	}
	last := &before[len(before)-1]
	switch m := message.(type) {
	case control.MouseMove: // the later place counts, movements add up
		if earlier, ok := last.message.(control.MouseMove); ok && earlier.Absolute == m.Absolute {
			m.RX += earlier.RX
			m.RY += earlier.RY
			last.message = m
			return true
		}
	case control.MouseScroll:
		if earlier, ok := last.message.(control.MouseScroll); ok {
			last.message = control.MouseScroll{X: earlier.X + m.X, Y: earlier.Y + m.Y}
			return true
		}
	case control.TouchMove:
		return mergeTouch(before, m)
	}
	return false
}

// mergeTouch takes the place of an earlier move of the same finger. Moves of other fingers between them do not matter.
func mergeTouch(before []command, m control.TouchMove) bool {
	for i := len(before) - 1; i >= 0; i-- {
		earlier, ok := before[i].message.(control.TouchMove)
		if !ok {
			return false
		}
		if earlier.ID == m.ID {
			before[i].message = m
			return true
		}
	}
	return false
}
