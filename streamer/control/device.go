package control

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

const (
	// MaxGamepad is the highest index of a gamepad: browsers know four.
	MaxGamepad = 3
	// MaxGamepadButton is the highest button of the W3C standard layout.
	MaxGamepadButton = 16
	// MaxGamepadAxis is the highest axis: 4 and 5 are further axes of pads without the standard layout.
	MaxGamepadAxis = 5
	// MaxIMETimes bounds how often one message may press a key.
	MaxIMETimes = 1000
	// DefaultAccuracy is that of a location whose sender gave none, in metres.
	DefaultAccuracy = 20
)

// maxUnixMillis is the year 9999, the last that RFC 3339 can write.
const maxUnixMillis = 253402300799999

type keyFields struct {
	Code    *KeyCode `json:"code"`
	Pressed *bool    `json:"pressed"`
}

func parseKey(f keyFields) (Message, error) {
	if f.Code == nil || f.Pressed == nil { // numpad 5 with NumLock off has no code
		return nil, missing("code or pressed")
	}
	return Key{Code: *f.Code, Pressed: *f.Pressed}, nil
}

type gamepadFields struct {
	ID      *int     `json:"id"`
	Index   *int     `json:"index"`
	Pressed *bool    `json:"pressed"`
	Value   *float64 `json:"value"`
}

// check looks at the members that buttons and axes share.
func (f gamepadFields) check(maxIndex int) error {
	switch {
	case f.ID == nil || f.Index == nil:
		return missing("id or index")
	case *f.ID < 0 || *f.ID > MaxGamepad:
		return outside("id", *f.ID)
	case *f.Index < 0 || *f.Index > maxIndex:
		return outside("index", *f.Index)
	}
	return nil
}

func parseGamepadButton(f gamepadFields) (Message, error) {
	if err := f.check(MaxGamepadButton); err != nil {
		return nil, err
	}
	if f.Pressed == nil {
		return nil, missing("pressed")
	}
	return GamepadButton{Pad: *f.ID, Index: *f.Index, Pressed: *f.Pressed}, nil
}

func parseGamepadAxis(f gamepadFields) (Message, error) {
	if err := f.check(MaxGamepadAxis); err != nil {
		return nil, err
	}
	if f.Value == nil {
		return nil, missing("value")
	}
	// Worn sticks go a little past their end.
	return GamepadAxis{Pad: *f.ID, Index: *f.Index, Value: math.Max(-1, math.Min(1, *f.Value))}, nil
}

type imeFields struct {
	Type int             `json:"type"`
	Data json.RawMessage `json:"data"`
}

// imeParsers has the input method's events by their number (section 6).
var imeParsers = map[int]parser{
	1: object(func(f struct{ Text *string }) (Message, error) {
		if f.Text == nil {
			return nil, missing("text")
		}
		return IMEText{Text: *f.Text}, nil
	}),
	2: object(func(f struct{ Code, Times int }) (Message, error) {
		if f.Code <= 0 || f.Code > math.MaxUint16 {
			return nil, outside("code", f.Code)
		}
		if f.Times <= 0 || f.Times > MaxIMETimes {
			return nil, outside("times", f.Times)
		}
		return IMEKey(f), nil
	}),
	3: object(func(f struct{ Name, Params string }) (Message, error) {
		if f.Name == "" {
			return nil, missing("name")
		}
		return IMEAction(f), nil
	}),
	4: object(func(f struct{ Text *string }) (Message, error) {
		if f.Text == nil {
			return nil, missing("text")
		}
		return IMEComposing{Text: *f.Text}, nil
	}),
	5: object(func(f struct{ Start, End int }) (Message, error) {
		if f.Start < 0 || f.End < f.Start {
			return nil, outside("start, end", f)
		}
		return IMERegion(f), nil
	}),
}

func parseIME(f imeFields) (Message, error) {
	parse, known := imeParsers[f.Type]
	if !known {
		return nil, outside("type", f.Type)
	}
	return parse(f.Data)
}

type sensorFields struct {
	Sensor  string   `json:"sensor"`
	X       *float64 `json:"x"`
	Y       *float64 `json:"y"`
	Z       *float64 `json:"z"`
	Roll    *float64 `json:"roll"`
	Pitch   *float64 `json:"pitch"`
	Azimuth *float64 `json:"azimuth"`
}

func parseSensor(f sensorFields) (Message, error) {
	switch Sensor(f.Sensor) {
	case SensorAcceleration:
		return Acceleration{X: f.X, Y: f.Y, Z: f.Z}, nil
	case SensorGyroscope:
		return Gyroscope{X: f.X, Y: f.Y, Z: f.Z}, nil
	case SensorOrientation:
		return Orientation{Roll: f.Roll, Pitch: f.Pitch, Azimuth: f.Azimuth}, nil
	}
	return nil, fmt.Errorf("no sensor %.32q", f.Sensor)
}

type locationFields struct {
	Format             string   `json:"format"`
	Time               *float64 `json:"time"`
	Latitude           *float64 `json:"latitude"`
	Longitude          *float64 `json:"longitude"`
	Altitude           *float64 `json:"altitude"`
	Speed              *float64 `json:"speed"`
	Bearing            *float64 `json:"bearing"`
	HorizontalAccuracy *float64 `json:"horizontal_accuracy"`
	VerticalAccuracy   *float64 `json:"vertical_accuracy"`
}

func parseLocation(f locationFields) (Message, error) {
	for _, required := range []*float64{f.Time, f.Latitude, f.Longitude, f.Altitude, f.Speed, f.Bearing} {
		if required == nil {
			return nil, missing("time, latitude, longitude, altitude, speed or bearing")
		}
	}
	degree := 1.0
	switch f.Format {
	case "", "wgs84":
	case "nmea":
		degree = 100
	default:
		return nil, fmt.Errorf("no format %.32q", f.Format)
	}
	switch {
	case *f.Time < 0 || *f.Time > maxUnixMillis:
		return nil, outside("time", *f.Time)
	case math.Abs(*f.Latitude) > 90*degree:
		return nil, outside("latitude", *f.Latitude)
	case math.Abs(*f.Longitude) > 180*degree:
		return nil, outside("longitude", *f.Longitude)
	}
	return Location{
		NMEA: f.Format == "nmea", Time: time.UnixMilli(int64(*f.Time)),
		Latitude: *f.Latitude, Longitude: *f.Longitude,
		Altitude: *f.Altitude, Speed: *f.Speed, Bearing: *f.Bearing,
		HorizontalAccuracy: accuracy(f.HorizontalAccuracy), VerticalAccuracy: accuracy(f.VerticalAccuracy),
	}, nil
}

func accuracy(metres *float64) float64 {
	if metres == nil || *metres < 0 {
		return DefaultAccuracy
	}
	return *metres
}

func parseScreenOrientation(f struct{ Orientation string }) (Message, error) {
	switch f.Orientation {
	case "portrait", "landscape", "reverse-portrait", "reverse-landscape":
		return ScreenOrientation{Name: f.Orientation}, nil
	}
	return nil, fmt.Errorf("no orientation %.32q", f.Orientation)
}
