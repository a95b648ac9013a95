package input

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/control"
)

// evdevOffset is the difference between Linux' key codes and X's: X keeps 0 to 7 to itself (X Protocol, section 1).
const evdevOffset = 8

// X11's buttons beyond left, middle and right: 4 to 7 are the wheel.
const (
	xWheelUp    = 4
	xWheelDown  = 5
	xWheelLeft  = 6
	xWheelRight = 7
	xBack       = 8
	xForward    = 9
)

// xButtons maps the client's buttons to X's.
var xButtons = map[control.Button]byte{
	control.ButtonLeft: 1, control.ButtonMiddle: 2, control.ButtonRight: 3, control.ButtonBack: xBack, control.ButtonForward: xForward,
}

// fakeEvent is one event for XTEST's FakeInput (XTEST 2.2): kind is the core protocol's event code. For a motion detail is 1 when
// x and y are relative, 0 when they are a place on the screen. player knows kinds beyond XTEST's.
type fakeEvent struct {
	kind, detail byte
	x, y         int16
}

// motionRelative is XTEST's detail of a relative motion.
const motionRelative = 1

// state turns messages into events and remembers what is down. It is owned by one goroutine.
type state struct {
	width, height int
	// holdLimit is how long a key may be down without a message that confirms it.
	holdLimit time.Duration
	// keys has the keys that are down, with the time of the last message that confirmed each.
	keys map[control.KeyCode]time.Time
	// suspended has the modifiers that expire released. The client has not said that they are up, so they are still meant to be down.
	suspended map[control.KeyCode]bool
	// buttons has X's numbers of the buttons that are down.
	buttons map[byte]bool
	fingers fingers
	// can tells what the display has beyond mouse and keyboard.
	can abilities
	// scrolled is what smooth scrolling has left of whole notches, where there is no mouse that could do it.
	scrolled struct{ x, y float64 }
}

// abilities are devices of the display.
type abilities struct{ touch, scroll bool }

func newState(width, height int, holdLimit time.Duration) *state {
	return &state{
		width: width, height: height, holdLimit: holdLimit,
		keys: map[control.KeyCode]time.Time{}, suspended: map[control.KeyCode]bool{}, buttons: map[byte]bool{},
		fingers: fingers{slots: map[int]byte{}},
	}
}

// apply gives the events that a message means. Messages that are not mouse, touch or keyboard, and codes that no key has, mean none.
func (s *state) apply(message control.Message, now time.Time) []fakeEvent {
	switch m := message.(type) {
	case control.MouseMove:
		return s.move(m)
	case control.MouseButton:
		return s.button(m)
	case control.MouseWheel:
		return s.wheel(m)
	case control.MouseScroll:
		return s.scroll(m)
	case control.TouchStart:
		return s.touchStart(m)
	case control.TouchMove:
		return s.touchMove(m)
	case control.TouchEnd:
		return s.touchEnd(m.ID)
	case control.Key:
		return s.key(m, now)
	}
	return nil
}

func (s *state) move(m control.MouseMove) []fakeEvent {
	if !m.Absolute {
		if m.RX == 0 && m.RY == 0 {
			return nil
		}
		return []fakeEvent{{kind: xproto.MotionNotify, detail: motionRelative, x: toInt16(m.RX), y: toInt16(m.RY)}}
	}
	return []fakeEvent{{kind: xproto.MotionNotify, x: pixel(m.X, s.width), y: pixel(m.Y, s.height)}}
}

// pixel gives the pixel that a place is in; the far edge itself belongs to the last one.
func pixel(place float64, size int) int16 {
	return toInt16(int(math.Max(0, math.Min(math.Floor(place), float64(size-1)))))
}

func toInt16(v int) int16 { return int16(min(max(v, math.MinInt16), math.MaxInt16)) }

// button presses or releases. A second press means that the client could not tell of the release: it happened outside of its page.
func (s *state) button(m control.MouseButton) []fakeEvent {
	number, known := xButtons[m.Button]
	if !known {
		return nil
	}
	down, up := fakeEvent{kind: xproto.ButtonPress, detail: number}, fakeEvent{kind: xproto.ButtonRelease, detail: number}
	wasDown := s.buttons[number]
	switch {
	case m.Pressed && wasDown:
		return []fakeEvent{up, down}
	case m.Pressed:
		s.buttons[number] = true
		return []fakeEvent{down}
	case wasDown:
		delete(s.buttons, number)
		return []fakeEvent{up}
	}
	return nil
}

// wheel turns the wheel by one step. A mouse with smooth scrolling does it as the same mouse, for toolkits would take clicks of the wheel's
// buttons for another one's.
func (s *state) wheel(m control.MouseWheel) []fakeEvent {
	if s.can.scroll {
		return []fakeEvent{{kind: scroll, x: int16(-m.X * control.ScrollNotch), y: int16(-m.Y * control.ScrollNotch)}}
	}
	var events []fakeEvent
	turn := func(number byte) {
		events = append(events, fakeEvent{kind: xproto.ButtonPress, detail: number}, fakeEvent{kind: xproto.ButtonRelease, detail: number})
	}
	switch {
	case m.Y > 0:
		turn(xWheelUp)
	case m.Y < 0:
		turn(xWheelDown)
	}
	switch {
	case m.X > 0:
		turn(xWheelLeft)
	case m.X < 0:
		turn(xWheelRight)
	}
	return events
}

// key presses or releases. A second press is the browser's auto-repeat: it only confirms, since X repeats by itself.
func (s *state) key(m control.Key, now time.Time) []fakeEvent {
	if _, known := m.Code.Linux(); !known {
		return nil
	}
	_, wasDown := s.keys[m.Code]
	if !m.Pressed {
		delete(s.suspended, m.Code)
		delete(s.keys, m.Code)
		if !wasDown {
			return nil
		}
		return []fakeEvent{keyEvent(xproto.KeyRelease, m.Code)}
	}
	var events []fakeEvent
	delete(s.suspended, m.Code)
	// The client names a modifier once, before the first key that it applies to, and its release before the next key: so every press
	// confirms all modifiers, and brings back those that expire took away.
	for _, modifier := range sorted(s.suspended) {
		events = append(events, keyEvent(xproto.KeyPress, modifier))
		s.keys[modifier] = now
	}
	clear(s.suspended)
	for held := range s.keys {
		if held.Modifier() {
			s.keys[held] = now
		}
	}
	s.keys[m.Code] = now
	if !wasDown {
		events = append(events, keyEvent(xproto.KeyPress, m.Code))
	}
	return events
}

// liftModifiers gives the events that let the modifiers up, and those that press them again.
func (s *state) liftModifiers() (up, down []fakeEvent) {
	for _, code := range sorted(s.keys) {
		if code.Modifier() {
			up = append(up, keyEvent(xproto.KeyRelease, code))
			down = append(down, keyEvent(xproto.KeyPress, code))
		}
	}
	return up, down
}

// expire releases keys that no message has confirmed for longer than holdLimit: their release was lost in the client.
func (s *state) expire(now time.Time) []fakeEvent {
	var events []fakeEvent
	for _, code := range sorted(s.keys) {
		if now.Sub(s.keys[code]) <= s.holdLimit {
			continue
		}
		delete(s.keys, code)
		if code.Modifier() {
			s.suspended[code] = true
		}
		events = append(events, keyEvent(xproto.KeyRelease, code))
	}
	return events
}

// releaseAll lets everything up: the client is gone. Fingers and buttons first, so that what is being dragged is dropped with the modifiers held.
func (s *state) releaseAll() []fakeEvent {
	var events []fakeEvent
	for _, id := range slices.Sorted(maps.Keys(s.fingers.slots)) {
		events = append(events, s.touchEnd(id)...)
	}
	for _, number := range sorted(s.buttons) {
		events = append(events, fakeEvent{kind: xproto.ButtonRelease, detail: number})
	}
	for _, code := range sorted(s.keys) {
		events = append(events, keyEvent(xproto.KeyRelease, code))
	}
	clear(s.buttons)
	clear(s.keys)
	clear(s.suspended)
	s.scrolled.x, s.scrolled.y = 0, 0
	return events
}

func keyEvent(kind byte, code control.KeyCode) fakeEvent {
	linux, _ := code.Linux() // only known codes get into the state
	return fakeEvent{kind: kind, detail: byte(linux) + evdevOffset}
}

// sorted gives a map's keys in order, so that equal states give equal events. The modifiers have the highest codes and come last.
func sorted[K interface{ ~int | ~uint8 }, V any](m map[K]V) []K {
	list := make([]K, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
