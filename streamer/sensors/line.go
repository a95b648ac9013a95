package sensors

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"streamstack/streamer/control"
)

// The lines that programs get, one JSON object each. Absent values are those that the browser does not know.
type (
	vector struct {
		Type string   `json:"type"` // acceleration in m/s² with gravity, gyroscope in rad/s
		X    *float64 `json:"x,omitempty"`
		Y    *float64 `json:"y,omitempty"`
		Z    *float64 `json:"z,omitempty"`
	}
	attitude struct {
		Type    string   `json:"type"` // orientation, in degrees
		Roll    *float64 `json:"roll,omitempty"`
		Pitch   *float64 `json:"pitch,omitempty"`
		Azimuth *float64 `json:"azimuth,omitempty"`
	}
	location struct {
		Type               string    `json:"type"` // location
		Time               time.Time `json:"time"`
		Latitude           float64   `json:"latitude"`  // decimal degrees, north is positive
		Longitude          float64   `json:"longitude"` // likewise, east
		Altitude           float64   `json:"altitude"`  // metres
		Speed              float64   `json:"speed"`     // metres a second
		Bearing            float64   `json:"bearing"`   // degrees
		HorizontalAccuracy float64   `json:"horizontal_accuracy"`
		VerticalAccuracy   float64   `json:"vertical_accuracy"`
	}
	screen struct {
		Type        string `json:"type"` // screen, from clients before 1.30; later ones send an acceleration
		Orientation string `json:"orientation"`
	}
	keyboard struct {
		Type        string  `json:"type"` // keyboard, the client's on-screen one
		Shown       bool    `json:"shown"`
		HeightRatio float64 `json:"height_ratio"` // part of the client's screen that it covers
	}
)

// line makes the line of a message; "" for messages that are no business of this package, and for a reading without any value: browsers
// that lack a sensor send one such (W3C Device Orientation, section 4), and it must not replace a rotation that was made by hand.
func line(message control.Message) (kind string, text []byte) {
	var value any
	switch m := message.(type) {
	case control.Acceleration:
		if m.X == nil && m.Y == nil && m.Z == nil {
			return "", nil
		}
		kind, value = "acceleration", vector{"acceleration", m.X, m.Y, m.Z}
	case control.Gyroscope:
		if m.X == nil && m.Y == nil && m.Z == nil {
			return "", nil
		}
		kind, value = "gyroscope", vector{"gyroscope", radians(m.X), radians(m.Y), radians(m.Z)}
	case control.Orientation:
		if m.Roll == nil && m.Pitch == nil && m.Azimuth == nil {
			return "", nil
		}
		kind, value = "orientation", attitude{"orientation", m.Roll, m.Pitch, m.Azimuth}
	case control.Location:
		kind = "location"
		at := location{kind, m.Time.UTC(), m.Latitude, m.Longitude, m.Altitude, m.Speed, m.Bearing, m.HorizontalAccuracy, m.VerticalAccuracy}
		if m.NMEA {
			at.Latitude, at.Longitude = decimal(m.Latitude), decimal(m.Longitude)
		}
		value = at
	case control.ScreenOrientation:
		kind, value = "screen", screen{"screen", m.Name}
	case control.IMEAction:
		kind = "keyboard"
		switch m.Name {
		case "show":
			value = keyboard{kind, true, heightRatio(m.Params)}
		case "hide":
			value = keyboard{kind, false, 0}
		default:
			return "", nil
		}
	default:
		return "", nil
	}
	text, err := json.Marshal(value)
	if err != nil { // a number that JSON lacks, which no parsed message has
		return "", nil
	}
	return kind, append(text, '\n')
}

// radians converts from degrees, which browsers give (W3C Device Orientation), to what programs expect.
func radians(degrees *float64) *float64 {
	if degrees == nil {
		return nil
	}
	r := *degrees * math.Pi / 180
	return &r
}

// decimal converts ddmm.mmmm to degrees.
func decimal(nmea float64) float64 {
	degrees := math.Trunc(nmea / 100)
	return degrees + (nmea-degrees*100)/60
}

// heightRatio reads "height-ratio=0.4"; 0 where it is not there or not from 0 to 1.
func heightRatio(params string) float64 {
	for _, part := range strings.FieldsFunc(params, func(r rune) bool { return r == '&' || r == ',' || r == ';' || r == ' ' }) {
		if text, ok := strings.CutPrefix(part, "height-ratio="); ok {
			if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v <= 1 {
				return v
			}
		}
	}
	return 0
}
