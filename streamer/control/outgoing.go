package control

import (
	"encoding/json"
	"fmt"
)

// Sensor names a sensor of the client's device.
type Sensor string

// The sensors that the client knows; it ignores any other.
const (
	SensorOrientation  Sensor = "orientation"
	SensorAcceleration Sensor = "acceleration"
	SensorGyroscope    Sensor = "gyroscope"
)

// Camera is what the streamer asks of the client's camera. The picture that comes may be of any size.
type Camera struct {
	// Width and Height are in pixels.
	Width, Height int
	// Front asks for the camera that faces the user.
	Front bool
	// FrameRate is an upper limit, in frames per second.
	FrameRate int
}

// Microphone is what the streamer asks of the client's microphone; all are wishes.
type Microphone struct {
	// Freq is in hertz, Samples the size of a block.
	Freq     int `json:"freq"`
	Channels int `json:"channels"`
	Samples  int `json:"samples"`
}

type cameraResolution struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

type cameraRequest struct {
	Resolution cameraResolution `json:"resolution"`
	FacingMode string           `json:"facing-mode"`
	FrameRate  int              `json:"frame-rate"`
}

type sensorRequest struct {
	Type Sensor `json:"type"`
}

// ownTypes are the names that the client gives a meaning of its own. The page never sees them, so Custom refuses them.
var ownTypes = map[string]bool{
	"open-camera": true, "close-camera": true, "enable-microphone": true, "disable-microphone": true,
	"show-ime": true, "hide-ime": true, "activate-sensor": true, "deactivate-sensor": true,
	"vhal-prop-configs": true, "vhal-get-answer": true, "vhal-set-answer": true,
}

// OpenCamera asks the client for its camera. The client acknowledges neither success nor refusal.
func OpenCamera(c Camera) ([]byte, error) {
	facing := "rear"
	if c.Front {
		facing = "front"
	}
	return encode("open-camera", cameraRequest{Resolution: cameraResolution{c.Width, c.Height}, FacingMode: facing, FrameRate: c.FrameRate})
}

// CloseCamera ends what OpenCamera began.
func CloseCamera() ([]byte, error) { return encode("close-camera", nil) }

// EnableMicrophone asks the client for its microphone. The client acknowledges neither success nor refusal.
func EnableMicrophone(m Microphone) ([]byte, error) { return encode("enable-microphone", m) }

// DisableMicrophone ends what EnableMicrophone began.
func DisableMicrophone() ([]byte, error) { return encode("disable-microphone", nil) }

// ShowIME tells the client that an editable field has the focus.
func ShowIME() ([]byte, error) { return encode("show-ime", nil) }

// HideIME tells the client that no editable field has the focus.
func HideIME() ([]byte, error) { return encode("hide-ime", nil) }

// ActivateSensor asks for readings of a sensor. To be sent again to every new client.
func ActivateSensor(s Sensor) ([]byte, error) {
	return encode("activate-sensor", sensorRequest{s})
}

// DeactivateSensor ends what ActivateSensor began.
func DeactivateSensor(s Sensor) ([]byte, error) {
	return encode("deactivate-sensor", sensorRequest{s})
}

// Custom makes a message of our own, which the client hands to its page as messageReceived(name, data), data being a string of JSON.
// A nil data makes a message without. It fails for an empty name, for one that the client keeps to itself, for data that JSON cannot
// express, and above MaxMessage.
func Custom(name string, data any) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("control: a message needs a type")
	}
	if ownTypes[name] {
		return nil, fmt.Errorf("control: the client keeps messages of type %q to itself: use another name", name)
	}
	return encode(name, data)
}

// encode writes a message with its data as a string of JSON.
func encode(name string, data any) ([]byte, error) {
	envelope := struct {
		Type string `json:"type"`
		Data string `json:"data,omitempty"`
	}{Type: name}
	if data != nil {
		inner, err := json.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("control: %s: %w", name, err)
		}
		envelope.Data = string(inner)
	}
	raw, err := json.Marshal(envelope)
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", name, err)
	}
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("control: %s: %d bytes, more than %d: send it in parts", name, len(raw), MaxMessage)
	}
	return raw, nil
}
