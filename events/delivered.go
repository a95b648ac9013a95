package events

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// servedPinned is how many headers the server adds to what it delivers to the pinned client of a consumer.
const servedPinned = 1

// DecodeDelivered reads a message that a pull consumer delivered to an inbox: for those who pull by themselves. ok is
// false, and status the server's code, for a message of the server about the request. Nothing that a publisher writes can
// be taken for that, nor for the event's place.
func DecodeDelivered(m *nats.Msg) (e Event, status string, ok bool, err error) {
	if !isDelivery(m) {
		return Event{}, last(m.Header, "Status"), false, nil
	}
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, "", false, fmt.Errorf("events: %s: %w", m.Subject, err)
	}
	size := headerSize(m)
	sound := intact(m.Header, size, servedPinned)
	return decode(m.Subject, Seq(meta.Sequence.Stream), meta.Timestamp, m.Header, m.Data, 0, sound), "", true, nil
}
