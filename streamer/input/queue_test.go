package input

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"streamstack/streamer/control"
)

func commandsOf(messages ...control.Message) []command {
	list := make([]command, len(messages))
	for i, m := range messages {
		list[i] = command{message: m}
	}
	return list
}

func TestCoalesce(t *testing.T) {
	relative := func(x, y int) control.MouseMove { return control.MouseMove{RX: x, RY: y} }
	assert.Equal(t, commandsOf(moveTo(3, 3)), coalesce(commandsOf(moveTo(1, 1), moveTo(2, 2), moveTo(3, 3))), "the last place counts")
	assert.Equal(t, commandsOf(relative(4, 6)), coalesce(commandsOf(relative(1, 2), relative(3, 4))), "movements add up")
	assert.Equal(t, commandsOf(moveTo(1, 1), relative(3, 4)), coalesce(commandsOf(moveTo(1, 1), relative(3, 4))), "not one with the other")
	drag := commandsOf(moveTo(1, 1), pressButton(1), moveTo(2, 2), releaseButton(1), moveTo(3, 3))
	assert.Equal(t, drag, coalesce(drag), "a drag keeps its places")
	scroll := commandsOf(control.MouseWheel{Y: 1}, control.MouseWheel{Y: 1})
	assert.Equal(t, scroll, coalesce(scroll), "each step counts")
	assert.Equal(t, commandsOf(control.MouseScroll{X: 4, Y: 6}), coalesce(commandsOf(control.MouseScroll{X: 1, Y: 2}, control.MouseScroll{X: 3, Y: 4})), "ways add up")
	at := func(id int, x float64) control.TouchMove { return control.TouchMove{ID: id, X: x} }
	assert.Equal(t, commandsOf(at(0, 3), at(1, 4)), coalesce(commandsOf(at(0, 1), at(1, 2), at(0, 3), at(1, 4))), "the last place of each finger")
	lifted := commandsOf(at(0, 1), control.TouchEnd{ID: 0}, control.TouchStart{ID: 0}, at(0, 2))
	assert.Equal(t, lifted, coalesce(lifted), "a finger that was lifted is another one")

	gone := command{released: make(chan struct{})}
	after := command{message: press(keyB)}
	assert.Equal(t, []command{gone, after}, coalesce([]command{{message: press(keyA)}, gone, after}), "what came before a release is void")
}

// TestCoalesceKeepsKeys: keys and buttons come out as they went in, and the pointer ends at the same place.
func TestCoalesceKeepsKeys(t *testing.T) {
	message := rapid.OneOf(
		rapid.Map(rapid.Float64Range(0, 9), func(v float64) control.Message { return moveTo(v, v) }),
		rapid.Map(rapid.IntRange(-9, 9), func(v int) control.Message { return control.MouseMove{RX: v, RY: v} }),
		rapid.Map(rapid.Bool(), func(v bool) control.Message { return control.Key{Code: keyA, Pressed: v} }),
	)
	summary := func(commands []command) (keys []control.Message, place float64) {
		for _, c := range commands {
			switch m := c.message.(type) {
			case control.MouseMove:
				if m.Absolute {
					place = m.X
				} else {
					place += float64(m.RX)
				}
			default:
				keys = append(keys, m)
			}
		}
		return keys, place
	}
	rapid.Check(t, func(t *rapid.T) {
		in := commandsOf(rapid.SliceOf(message).Draw(t, "messages")...)
		wantKeys, wantPlace := summary(in)
		out := coalesce(in)
		keys, place := summary(out)
		assert.Equal(t, wantKeys, keys)
		assert.InDelta(t, wantPlace, place, 1e-9)
		assert.LessOrEqual(t, len(out), len(in))
	})
}
