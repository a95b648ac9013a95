package gamepad

import (
	"math"

	"streamstack/streamer/control"
)

// Event types and codes of linux/input-event-codes.h.
const (
	evSyn, evKey, evAbs = 0, 1, 3
	synReport           = 0

	absHat0X, absHat0Y = 0x10, 0x11
	axisMax            = math.MaxInt16
)

// Buttons of the W3C standard layout that are the D-pad, a hat in Linux.
const (
	buttonSouth = 0
	padUp       = 12
	padDown     = 13
	padLeft     = 14
	padRight    = 15
)

// buttonCodes are the codes of the standard layout's buttons (control-channel.md, section 5), 0 for the D-pad's.
var buttonCodes = [control.MaxGamepadButton + 1]uint16{
	304, 305, 307, 308, // BTN_SOUTH, BTN_EAST, BTN_NORTH (X), BTN_WEST (Y)
	310, 311, 312, 313, // BTN_TL, BTN_TR, BTN_TL2, BTN_TR2
	314, 315, 317, 318, // BTN_SELECT, BTN_START, BTN_THUMBL, BTN_THUMBR
	0, 0, 0, 0,
	316, // BTN_MODE
}

// axisCodes are the codes of the axes, as Android expects them: ABS_X, ABS_Y, ABS_Z, ABS_RZ, ABS_GAS, ABS_BRAKE.
var axisCodes = [control.MaxGamepadAxis + 1]uint16{0x00, 0x01, 0x02, 0x05, 0x09, 0x0a}

// event is a struct input_event without its time.
type event struct {
	kind, code uint16
	value      int32
}

// state is what a pad's buttons and axes are, so that only changes are told, and all can be let go.
type state struct {
	buttons [control.MaxGamepadButton + 1]bool
	axes    [control.MaxGamepadAxis + 1]int32
	hat     [2]int32
}

// button gives the events of a press or release.
func (s *state) button(index int, pressed bool) []event {
	// Pads with the D-pad as axes: the client sends its presses as buttons 12 to 15, but every release as button 0.
	if index == buttonSouth && !pressed && !s.buttons[buttonSouth] {
		for i := padUp; i <= padRight; i++ {
			s.buttons[i] = false
		}
		return s.turnHat()
	}
	if s.buttons[index] == pressed {
		return nil
	}
	s.buttons[index] = pressed
	if code := buttonCodes[index]; code != 0 {
		return []event{{evKey, code, flag(pressed)}}
	}
	return s.turnHat()
}

// turnHat gives the events that bring the hat to where the D-pad's buttons are.
func (s *state) turnHat() (events []event) {
	for i, to := range [2]int32{
		flag(s.buttons[padRight]) - flag(s.buttons[padLeft]),
		flag(s.buttons[padDown]) - flag(s.buttons[padUp]),
	} {
		if s.hat[i] != to {
			s.hat[i] = to
			events = append(events, event{evAbs, absHat0X + uint16(i), to})
		}
	}
	return events
}

// axis gives the events of a movement; value is from -1 to 1.
func (s *state) axis(index int, value float64) []event {
	to := int32(math.Round(math.Max(-1, math.Min(1, value)) * axisMax))
	if s.axes[index] == to {
		return nil
	}
	s.axes[index] = to
	return []event{{evAbs, axisCodes[index], to}}
}

// release lets everything go.
func (s *state) release() (events []event) {
	for i := range s.buttons {
		if s.buttons[i] {
			events = append(events, s.button(i, false)...)
		}
	}
	for i := range s.axes {
		events = append(events, s.axis(i, 0)...)
	}
	return events
}

func flag(on bool) int32 {
	if on {
		return 1
	}
	return 0
}
