package control

import (
	"math"
)

// maxPixels bounds coordinates and movements: what X11 can express (INT16), and more than any screen has.
const maxPixels = math.MaxInt16

// maxTouchID bounds the ids of fingers; old clients send the browser's raw identifiers, which are large but fit.
const maxTouchID = math.MaxInt32

// position is a place in the picture, as the client sends it: either both values or none.
type position struct {
	X *float64 `json:"x"`
	Y *float64 `json:"y"`
}

// place checks the position. A client may be a little outside (the far edge, a rounded scale factor), but not on another planet.
func (p position) place() (x, y float64, err error) {
	if p.X == nil || p.Y == nil {
		return 0, 0, missing("x, y")
	}
	if math.Abs(*p.X) > maxPixels {
		return 0, 0, outside("x", *p.X)
	}
	if math.Abs(*p.Y) > maxPixels {
		return 0, 0, outside("y", *p.Y)
	}
	return *p.X, *p.Y, nil
}

type mouseMoveFields struct {
	position
	RX *float64 `json:"rx"`
	RY *float64 `json:"ry"`
}

func parseMouseMove(f mouseMoveFields) (Message, error) {
	var m MouseMove
	var err error
	if m.RX, err = movement("rx", f.RX); err != nil {
		return nil, err
	}
	if m.RY, err = movement("ry", f.RY); err != nil {
		return nil, err
	}
	if f.X == nil && f.Y == nil { // pointer lock
		if f.RX == nil || f.RY == nil {
			return nil, missing("x, y and rx, ry")
		}
		return m, nil
	}
	m.Absolute = true
	m.X, m.Y, err = f.place()
	return m, err
}

// movement reads a relative value, an integer by contract; a fraction is rounded, since a scale factor may make one.
func movement(name string, value *float64) (int, error) {
	switch {
	case value == nil:
		return 0, nil
	case math.Abs(*value) > maxPixels:
		return 0, outside(name, *value)
	}
	return int(math.Round(*value)), nil
}

type mouseButtonFields struct {
	Button  *int  `json:"button"`
	Pressed *bool `json:"pressed"`
}

func parseMouseButton(f mouseButtonFields) (Message, error) {
	if f.Button == nil || f.Pressed == nil {
		return nil, missing("button or pressed")
	}
	if *f.Button < int(ButtonLeft) || *f.Button > int(ButtonForward) {
		return nil, outside("button", *f.Button)
	}
	return MouseButton{Button: Button(*f.Button), Pressed: *f.Pressed}, nil
}

type mouseWheelFields struct {
	X int `json:"x"`
	Y int `json:"y"`
}

func parseMouseWheel(f mouseWheelFields) (Message, error) {
	if f.X < -1 || f.X > 1 {
		return nil, outside("x", f.X)
	}
	if f.Y < -1 || f.Y > 1 {
		return nil, outside("y", f.Y)
	}
	if f.X == 0 && f.Y == 0 {
		return nil, missing("a step")
	}
	return MouseWheel(f), nil
}

const (
	// ScrollNotch is how far one notch of a wheel scrolls, as with Linux' REL_WHEEL_HI_RES.
	ScrollNotch = 120
	// MaxScroll bounds one MouseScroll: a hundred notches.
	MaxScroll = 100 * ScrollNotch
)

func parseMouseScroll(f position) (Message, error) {
	x, y, err := f.place()
	switch {
	case err != nil:
		return nil, err
	case math.Abs(x) > MaxScroll:
		return nil, outside("x", x)
	case math.Abs(y) > MaxScroll:
		return nil, outside("y", y)
	case x == 0 && y == 0:
		return nil, missing("a way")
	}
	return MouseScroll{X: x, Y: y}, nil
}

type touchFields struct {
	position
	ID   *int `json:"id"`
	Last bool `json:"last"`
}

func (f touchFields) id() (int, error) {
	if f.ID == nil {
		return 0, missing("id")
	}
	if *f.ID < 0 || *f.ID > maxTouchID {
		return 0, outside("id", *f.ID)
	}
	return *f.ID, nil
}

func parseTouchStart(f touchFields) (Message, error) {
	id, err := f.id()
	if err != nil {
		return nil, err
	}
	x, y, err := f.place()
	return TouchStart{ID: id, X: x, Y: y}, err
}

func parseTouchMove(f touchFields) (Message, error) {
	id, err := f.id()
	if err != nil {
		return nil, err
	}
	x, y, err := f.place()
	return TouchMove{ID: id, X: x, Y: y}, err
}

// parseTouchEnd takes the old touch-cancel too, and the x and y that old clients send with both.
func parseTouchEnd(f touchFields) (Message, error) {
	id, err := f.id()
	return TouchEnd{ID: id, Last: f.Last}, err
}
