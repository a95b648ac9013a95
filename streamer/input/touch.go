package input

import (
	"math"

	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/control"
)

// maxFingers is how many fingers may be down; the contract's limit, and that of the touch screen's configuration.
const maxFingers = 10

// fingers maps the client's ids, which may be anything, to slots of our own. Without a touch screen the first finger is the mouse.
type fingers struct {
	slots map[int]byte
	used  [maxFingers]bool
}

// down takes a slot for a finger; false when there is none left.
func (f *fingers) down(id int) (slot byte, ok bool) {
	for i, used := range f.used {
		if !used {
			f.used[i] = true
			f.slots[id] = byte(i)
			return byte(i), true
		}
	}
	return 0, false
}

// up gives the slot of a finger back; false for one that is not down.
func (f *fingers) up(id int) (slot byte, ok bool) {
	slot, ok = f.slots[id]
	if ok {
		delete(f.slots, id)
		f.used[slot] = false
	}
	return slot, ok
}

// touchStart puts a finger down. One that is down already has been lifted without our hearing of it.
func (s *state) touchStart(m control.TouchStart) []fakeEvent {
	events := s.touchEnd(m.ID)
	if !s.can.touch {
		if len(s.fingers.slots) > 0 {
			return events
		}
		_, _ = s.fingers.down(m.ID) // there is none but this
		events = append(events, s.move(control.MouseMove{X: m.X, Y: m.Y, Absolute: true})...)
		return append(events, s.button(control.MouseButton{Button: control.ButtonLeft, Pressed: true})...)
	}
	slot, ok := s.fingers.down(m.ID)
	if !ok {
		return events
	}
	return append(events, s.touchAt(touchBegin, slot, m.X, m.Y))
}

func (s *state) touchMove(m control.TouchMove) []fakeEvent {
	slot, down := s.fingers.slots[m.ID]
	switch {
	case !down:
		return nil
	case !s.can.touch:
		return s.move(control.MouseMove{X: m.X, Y: m.Y, Absolute: true})
	}
	return []fakeEvent{s.touchAt(touchUpdate, slot, m.X, m.Y)}
}

// touchEnd lifts a finger; clients also name ones that are not down. The client's `last` tells nothing that is not known here.
func (s *state) touchEnd(id int) []fakeEvent {
	slot, down := s.fingers.up(id)
	switch {
	case !down:
		return nil
	case !s.can.touch:
		return s.button(control.MouseButton{Button: control.ButtonLeft})
	}
	return []fakeEvent{{kind: touchEnd, detail: slot}}
}

func (s *state) touchAt(kind, slot byte, x, y float64) fakeEvent {
	return fakeEvent{kind: kind, detail: slot, x: pixel(x, s.width), y: pixel(y, s.height)}
}

// scroll turns the wheel smoothly, or by whole notches where the display has no such mouse.
func (s *state) scroll(m control.MouseScroll) []fakeEvent {
	if s.can.scroll {
		return []fakeEvent{{kind: scroll, x: toInt16(int(math.Round(m.X))), y: toInt16(int(math.Round(m.Y)))}}
	}
	s.scrolled.x += m.X
	s.scrolled.y += m.Y
	var events []fakeEvent
	events = append(events, notches(&s.scrolled.y, xWheelUp, xWheelDown)...)
	return append(events, notches(&s.scrolled.x, xWheelLeft, xWheelRight)...)
}

// notches takes whole notches off a way and gives their clicks.
func notches(way *float64, back, forth byte) []fakeEvent {
	number := forth
	if *way < 0 {
		number = back
	}
	var events []fakeEvent
	for math.Abs(*way) >= control.ScrollNotch {
		*way -= math.Copysign(control.ScrollNotch, *way)
		events = append(events, fakeEvent{kind: xproto.ButtonPress, detail: number}, fakeEvent{kind: xproto.ButtonRelease, detail: number})
	}
	return events
}
