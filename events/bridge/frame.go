package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"streamstack/events"
)

// kind is a frame's first byte.
type kind byte

const (
	kindOpened kind = 'o' // the port answers
	kindData   kind = 'd' // number is the offset of the first byte
	kindCredit kind = 'c' // number is how many bytes were passed on so far
	kindEOF    kind = 'e' // number is how many bytes there were in all; the other way goes on
	kindBeat   kind = 'b' // somebody is there
	kindEnd    kind = 'x' // it is over; the data is the reason, for people
)

const (
	// headerSize is the kind and the number, 8 bytes big endian.
	headerSize = 1 + 8
	// maxChunk is the most data in a frame, far below the server's limit of a message (1 MiB).
	maxChunk = 32 << 10
	// maxReason bounds the text of an end.
	maxReason = 512
)

// errFrame marks a message that is no frame.
var errFrame = errors.New("bridge: not a frame")

type frame struct {
	kind   kind
	number uint64
	data   []byte
}

func (f frame) encode() []byte {
	out := make([]byte, headerSize, headerSize+len(f.data))
	out[0] = byte(f.kind)
	binary.BigEndian.PutUint64(out[1:], f.number)
	return append(out, f.data...)
}

func decode(message []byte) (frame, error) {
	if len(message) < headerSize {
		return frame{}, fmt.Errorf("%w: %d bytes", errFrame, len(message))
	}
	f := frame{kind: kind(message[0]), number: binary.BigEndian.Uint64(message[1:]), data: message[headerSize:]}
	limit := 0
	switch f.kind {
	case kindData:
		limit = maxChunk
	case kindEnd:
		limit = maxReason
	case kindOpened, kindCredit, kindEOF, kindBeat:
	default:
		return frame{}, fmt.Errorf("%w: of kind %q", errFrame, message[0])
	}
	if len(f.data) > limit || f.kind == kindData && len(f.data) == 0 {
		return frame{}, fmt.Errorf("%w: %d bytes in one of kind %q", errFrame, len(f.data), message[0])
	}
	return f, nil
}

// Address names one connection of a session.
type Address struct {
	Region     events.Region
	Session    events.SessionID
	Connection string // one token, see [events.ValidToken]; random, and used once
}

// Valid tells whether the address is one: each of its parts is a token.
func (a Address) Valid() bool {
	return events.ValidToken(string(a.Region)) && events.ValidToken(string(a.Session)) && events.ValidToken(a.Connection)
}

// The last tokens of a connection's subjects.
const (
	wayOpen = "open"
	wayUp   = "up"
	wayDown = "down"
)

func (a Address) subject(way string) string { return Subject(a.Region, a.Session, a.Connection, way) }

// Subject spells a subject of the bridge; each part may be a wildcard.
func Subject(r events.Region, id events.SessionID, connection, way string) string {
	return "bridge." + string(r) + "." + string(id) + "." + connection + "." + way
}

// Publishes and Subscribes are what the streamer of a session needs, for its permissions.
func Publishes(r events.Region, id events.SessionID) []string {
	return []string{Subject(r, id, "*", wayDown)}
}

// Subscribes is the other half of [Publishes].
func Subscribes(r events.Region, id events.SessionID) []string {
	return []string{Subject(r, id, "*", wayOpen), Subject(r, id, "*", wayUp)}
}

// GatewayPublishes is what a gateway may publish, to every session; it subscribes to what it likes.
func GatewayPublishes() []string { return Subscribes("*", "*") }

// connectionOf is the connection's token in the subject of an open.
func connectionOf(subject string) string {
	parts := strings.Split(subject, ".")
	if len(parts) != 5 {
		return ""
	}
	return parts[3]
}
