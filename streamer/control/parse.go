package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxMessage is the largest message that Parse takes, in bytes; far above anything the client sends.
const MaxMessage = 64 << 10

// maxTypeInError keeps a hostile type name from filling the log.
const maxTypeInError = 64

var (
	// ErrInvalid marks a message that the contract does not allow: drop it and count it.
	ErrInvalid = errors.New("invalid message")
	// ErrUnknown marks a message of a type that this release does not know: ignore it. errors.As with *UnknownError tells the type.
	ErrUnknown = errors.New("unknown message type")
)

// UnknownError is the error for a type that this release does not know. It wraps ErrUnknown.
type UnknownError struct {
	// Type is the message's type, cut to 64 bytes.
	Type string
}

// Error names the type.
func (e *UnknownError) Error() string { return fmt.Sprintf("control: %v %q", ErrUnknown, e.Type) }

// Unwrap gives ErrUnknown.
func (e *UnknownError) Unwrap() error { return ErrUnknown }

// parser turns the data of one type of message into a Message.
type parser func(data json.RawMessage) (Message, error)

// parsers has every type that a client may send (spec/control-channel.md, sections 2 and 15). The vhal:: types are missing: no
// session announces that capability, and an answer would have to come for each request.
var parsers = map[string]parser{
	"input::mouse-move":          object(parseMouseMove),
	"input::mouse-button":        object(parseMouseButton),
	"input::mouse-wheel":         object(parseMouseWheel),
	"input::mouse-scroll":        object(parseMouseScroll),
	"input::key":                 object(parseKey),
	"input::touch-start":         object(parseTouchStart),
	"input::touch-move":          object(parseTouchMove),
	"input::touch-end":           object(parseTouchEnd),
	"input::touch-cancel":        object(parseTouchEnd),
	"input::gamepad-button":      object(parseGamepadButton),
	"input::gamepad-axes":        object(parseGamepadAxis),
	"input::ime-event":           object(parseIME),
	"sensor:event":               object(parseSensor),
	"location::update-position":  object(parseLocation),
	"screen::change_orientation": object(parseScreenOrientation),
	ClipboardType:                object(parseClipboard),
	RhythmType:                   object(parseRhythm),
	"stream::disconnect":         func(json.RawMessage) (Message, error) { return Disconnect{}, nil },
}

// Parse reads one message of the client. The error wraps ErrInvalid or ErrUnknown; neither is a reason to end the stream.
func Parse(raw []byte) (Message, error) {
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("control: %w: %d bytes, more than %d", ErrInvalid, len(raw), MaxMessage)
	}
	var envelope struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return nil, fmt.Errorf("control: %w: %w", ErrInvalid, err)
	}
	if envelope.Type == "" {
		return nil, fmt.Errorf("control: %w: no type", ErrInvalid)
	}
	parse, known := parsers[envelope.Type]
	if !known {
		return nil, &UnknownError{Type: envelope.Type[:min(len(envelope.Type), maxTypeInError)]}
	}
	message, err := parse(envelope.Data)
	if err != nil {
		return nil, fmt.Errorf("control: %w: %s: %w", ErrInvalid, envelope.Type, err)
	}
	return message, nil
}

// object makes a parser of a function that takes the data's fields.
func object[T any](build func(fields T) (Message, error)) parser {
	return func(data json.RawMessage) (Message, error) {
		var fields T
		if !bytes.HasPrefix(data, []byte("{")) {
			return nil, errors.New("data is not an object")
		}
		if err := json.Unmarshal(data, &fields); err != nil {
			return nil, err
		}
		return build(fields)
	}
}

// missing is the error for fields that a message cannot do without.
func missing(names string) error { return fmt.Errorf("without %s", names) }

// outside is the error for a value that the contract does not allow.
func outside(name string, value any) error { return fmt.Errorf("%s out of range: %v", name, value) }
