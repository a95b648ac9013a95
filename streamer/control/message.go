package control

import (
	"time"

	"streamstack/streamer/frame"
)

// Message is one parsed message of the client: one of the exported struct types of this package, always by value.
// The set is closed; a type switch with a default case is the way to use it.
type Message interface{ message() }

// Button is a mouse button as the client numbers it: the browser's index (W3C UI Events, MouseEvent.button) plus one.
type Button uint8

// The buttons that a client may send. ButtonBack is sent by releases before 1.31 only.
const (
	ButtonLeft Button = iota + 1
	ButtonMiddle
	ButtonRight
	ButtonBack
	ButtonForward
)

// MouseMove moves the pointer.
type MouseMove struct {
	// RX and RY are the movement since the last event, in pixels of the picture, positive to the right and down.
	RX, RY int
	// X and Y are the position in pixels of the picture, with fractions, from 0 to the width or height inclusive. The picture's size is
	// not known here: whoever injects clamps. Valid only if Absolute is set.
	X, Y float64
	// Absolute is false while the page holds a pointer lock: then only the movement is known.
	Absolute bool
}

// MouseButton presses or releases a button where the pointer is.
type MouseButton struct {
	Button  Button
	Pressed bool
}

// MouseWheel turns the wheel by one step.
type MouseWheel struct {
	// X is 1 for a step to the left, -1 for one to the right (the opposite of Linux' REL_HWHEEL).
	X int
	// Y is 1 for a step away from the user (content moves down), -1 for one towards the user, as with Linux' REL_WHEEL.
	Y int
}

// MouseScroll turns the wheel by parts of a notch, each of which is ScrollNotch. It is an extension of ours, sent only where the
// streamer announces the capability "smooth-scroll".
type MouseScroll struct {
	// X is positive to the right and Y towards the user (content moves up), as in the browser; up to MaxScroll either way.
	X, Y float64
}

// Key presses or releases a key. While a key is held the client repeats the press.
type Key struct {
	Code    KeyCode
	Pressed bool
}

// TouchStart puts a finger down. IDs are the client's: at least 0, not contiguous, possibly more than ten.
type TouchStart struct {
	ID   int
	X, Y float64
}

// TouchMove moves a finger; it may name one that is not down.
type TouchMove struct {
	ID   int
	X, Y float64
}

// TouchEnd lifts a finger; it may name one that is not down.
type TouchEnd struct {
	ID int
	// Last is the client's hint that no finger is left. Clients up to 1.15 never send it.
	Last bool
}

// GamepadButton presses or releases a button. Index follows the W3C standard layout, 0 to MaxGamepadButton.
type GamepadButton struct {
	Pad, Index int
	Pressed    bool
}

// GamepadAxis moves a stick. Index follows the W3C standard layout, 0 to MaxGamepadAxis; Value is from -1 to 1.
type GamepadAxis struct {
	Pad, Index int
	Value      float64
}

// IMEText is newly committed text, to be inserted at the cursor.
type IMEText struct{ Text string }

// IMEKey is an Android key code (in practice 67, delete), pressed Times times, 1 to MaxIMETimes.
type IMEKey struct{ Code, Times int }

// IMEAction tells what the client's on-screen keyboard does: "show" (Params "height-ratio=0.4") or "hide".
type IMEAction struct{ Name, Params string }

// IMEComposing replaces the text that is being composed.
type IMEComposing struct{ Text string }

// IMERegion makes a range of the text the one being composed, 0 <= Start <= End; (0, 0) ends the composing.
type IMERegion struct{ Start, End int }

// Acceleration is a reading in m/s², with gravity. A nil value is one that the browser does not know.
// A rotation made by hand in the page arrives as one too, without the sensor having been activated.
type Acceleration struct{ X, Y, Z *float64 }

// Gyroscope is a rotation rate in degrees per second (W3C Device Orientation). A nil value is one that the browser does not know.
type Gyroscope struct{ X, Y, Z *float64 }

// Orientation is the device's attitude in degrees. A nil value is one that the browser does not know.
type Orientation struct{ Roll, Pitch, Azimuth *float64 }

// Location is a position of the client's device.
type Location struct {
	// NMEA tells that Latitude and Longitude are ddmm.mmmm instead of decimal degrees. North and east are positive.
	NMEA                bool
	Time                time.Time
	Latitude, Longitude float64
	// Altitude is in metres, Speed in m/s, Bearing in degrees.
	Altitude, Speed, Bearing float64
	// HorizontalAccuracy and VerticalAccuracy are in metres, DefaultAccuracy if the client did not say.
	HorizontalAccuracy, VerticalAccuracy float64
}

// ScreenOrientation is the absolute orientation that clients before 1.30 sent: "portrait", "landscape", "reverse-portrait" or
// "reverse-landscape". Later ones send an Acceleration.
type ScreenOrientation struct{ Name string }

// ClipboardText is a part of what the client's clipboard holds, an extension of ours. The parts follow each other until one without More.
type ClipboardText struct {
	Text string
	More bool
}

// DisplayRhythm tells how pictures meet the refreshes of the client's display, an extension of ours, sent only where the streamer announces the
// capability "display-rhythm".
type DisplayRhythm struct{ frame.Rhythm }

// Disconnect announces that the client leaves. It is best effort and does not delete the session.
type Disconnect struct{}

func (MouseMove) message()         {}
func (MouseButton) message()       {}
func (MouseWheel) message()        {}
func (MouseScroll) message()       {}
func (Key) message()               {}
func (TouchStart) message()        {}
func (TouchMove) message()         {}
func (TouchEnd) message()          {}
func (GamepadButton) message()     {}
func (GamepadAxis) message()       {}
func (IMEText) message()           {}
func (IMEKey) message()            {}
func (IMEAction) message()         {}
func (IMEComposing) message()      {}
func (IMERegion) message()         {}
func (Acceleration) message()      {}
func (Gyroscope) message()         {}
func (Orientation) message()       {}
func (Location) message()          {}
func (ScreenOrientation) message() {}
func (ClipboardText) message()     {}
func (DisplayRhythm) message()     {}
func (Disconnect) message()        {}
