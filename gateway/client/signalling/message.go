package signalling

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"streamstack/events"
)

// Types of messages (signalling.md, section 2).
const (
	TypeDiscover  = "discover"
	TypeDiscoverR = "resp:discover"
	TypeSettings  = "settings"
	TypeOffer     = "offer"
	TypeAnswer    = "answer"
	TypeCandidate = "candidate"
	TypeError     = "error"
)

// Text is one that travels as standard base64 (signalling.md, section 1).
type Text string

// MarshalJSON writes the base64, padded.
func (t Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString([]byte(t)))
}

// UnmarshalJSON reads base64 of UTF-8 text, padded or not.
func (t *Text) UnmarshalJSON(data []byte) error {
	var encoded string
	if err := json.Unmarshal(data, &encoded); err != nil {
		return fmt.Errorf("signalling: base64: %w", err)
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return fmt.Errorf("signalling: base64: %w", err)
	}
	if !utf8.Valid(b) {
		return fmt.Errorf("signalling: the base64 of %d bytes that are no text", len(b))
	}
	*t = Text(b)
	return nil
}

// Message is one of either direction; which members count depends on the type.
type Message struct {
	Type          string     `json:"type"`
	SDP           Text       `json:"sdp,omitempty"`             // of an offer, an answer
	Candidate     Text       `json:"candidate,omitempty"`       // "candidate:…", as RTCIceCandidate has it
	SDPMid        *string    `json:"sdpMid,omitempty"`          // of a candidate
	SDPMLineIndex *uint16    `json:"sdpMLineIndex,omitempty"`   // of a candidate
	MaxAPIVersion int        `json:"max_api_version,omitempty"` // of resp:discover
	FPS           int        `json:"fps,omitempty"`             // of resp:discover, frames a second
	Capabilities  []string   `json:"capabilities,omitempty"`    // of resp:discover
	Code          int        `json:"code,omitempty"`            // of an error
	Message       string     `json:"message,omitempty"`         // of an error, for people
	Sequence      events.Seq `json:"sequence,omitempty"`        // of the event that the message was; only from the gateway
}

// Settings are what a client of API version 2 wants (signalling.md, section 2). [Socket.Send] adds the type.
type Settings struct {
	DataChannels     []string `json:"data_channels"` // the client's own, without `control`
	EnableSpeaker    bool     `json:"enable_speaker"`
	EnableMicrophone bool     `json:"enable_microphone"`
	EnableVideo      bool     `json:"enable_video"`
	EnableCamera     bool     `json:"enable_camera"`
}

// MarshalJSON adds type and version.
func (s Settings) MarshalJSON() ([]byte, error) {
	type plain Settings
	if s.DataChannels == nil {
		s.DataChannels = []string{}
	}
	return json.Marshal(struct {
		Type       string `json:"type"`
		APIVersion int    `json:"api_version"`
		plain
	}{TypeSettings, 2, plain(s)})
}

// parse reads a frame; ok is false for what is no message, which receivers ignore.
func parse(data []byte) (m Message, ok bool) {
	if !utf8.Valid(data) {
		return Message{}, false
	}
	err := json.Unmarshal(data, &m)
	return m, err == nil && m.Type != ""
}
