package events

import (
	"strings"

	"github.com/nats-io/nats.go"
)

// The server stores a block of headers as it came, well-formed or not, and adds its own lines at its end. The client
// library reads up to the first empty line. So a publisher who writes to the socket himself can put an empty line
// before the end, and hide what the server adds behind it: his own Nats-Sequence would then be the last one. A block
// that does not parse at all arrives as no headers. Both are told by comparing the size of the block with the size of
// what was understood of it.
const (
	headerLine  = "NATS/1.0"
	headerBreak = "\r\n"
	// maxHeaders is how many headers an event may bring. Ours bring at most eleven. Each line may hide one byte or two (a
	// missing space after the colon, a missing carriage return), the server's lines are longer than 100 bytes together:
	// with so few lines a difference cannot be made up for.
	maxHeaders = 16
	// Headers that the server adds to an event, by where it is read.
	servedSingle = 4 // Nats-Stream, -Subject, -Sequence, -Time-Stamp
	servedLive   = 5 // and Nats-Last-Sequence
	servedBatch  = 6 // and Nats-Num-Pending
)

// intact tells whether h is all that a block of size bytes says, with at most served lines beyond those allowed to an
// event. A message without headers is intact.
func intact(h nats.Header, size, served int) bool {
	if size == 0 {
		return len(h) == 0
	}
	lines, n := 0, len(headerLine)+2*len(headerBreak)
	for key, values := range h {
		for _, v := range values {
			lines++
			n += len(key) + len(": ") + len(v) + len(headerBreak)
		}
	}
	return n == size && lines <= maxHeaders+served
}

// headerSize is how many bytes the headers of a received message took.
func headerSize(m *nats.Msg) int { return m.Size() - len(m.Subject) - len(m.Reply) - len(m.Data) }

// isStatus tells whether m is a message of the server about an answer rather than a stored one. The server strips the
// status from the first line of what it stores, so only its own messages have one there.
func isStatus(m *nats.Msg) bool {
	status := m.Header["Status"]
	if len(status) != 1 || len(m.Data) != 0 {
		return false
	}
	n := len(headerLine) + len(" ") + len(status[0]) + 2*len(headerBreak)
	for key, values := range m.Header {
		switch {
		case key == "Status":
		case key == "Description" && len(values) == 1:
			n += len(" ") + len(values[0])
		default:
			for _, v := range values {
				n += len(key) + len(": ") + len(v) + len(headerBreak)
			}
		}
	}
	return n == headerSize(m) && len(m.Header) <= maxHeaders
}

// last is the reading rule: the server appends its headers after the publisher's.
func last(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// isDelivery tells whether a message came out of a consumer: the server sets the reply, whatever the headers say.
func isDelivery(m *nats.Msg) bool { return strings.HasPrefix(m.Reply, "$JS.ACK.") }
