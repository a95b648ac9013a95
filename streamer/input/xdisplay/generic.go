package xdisplay

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
)

const (
	// messageHead is the size of every event and error, and of a reply's fixed part (X Protocol, section 1).
	messageHead = 32
	// setupHead is the fixed part of the server's first message (X Protocol, section 8).
	setupHead = 8
	// The first byte of the messages that may be longer than their head.
	replyMessage, genericEvent = 1, 35
	// sentBySendEvent is set in the first byte of events that another client made up.
	sentBySendEvent = 0x80
	// maxGeneric bounds one generic event, in bytes: XInput's largest, one with all 64 valuators, has less than 1 KiB.
	maxGeneric = 64 << 10
)

// DialGeneric is Dial for a client of an extension with generic events (Generic Event Extension 1.0, such as XInput 2), which xgb cannot
// read: it takes the head of such an event for all of it and everything that follows for something else. They are taken out of the stream
// here and given to take, on the goroutine that reads, in their order; the slice is take's to keep.
func DialGeneric(ctx context.Context, display string, take func(event []byte)) (*Conn, error) {
	return dial(ctx, display, func(c net.Conn) net.Conn { return &genericFilter{Conn: c, take: take} })
}

// genericFilter passes what the server sends on, without the generic events. One goroutine reads it.
type genericFilter struct {
	net.Conn
	take func(event []byte)
	// setUp is true once the first message, which has a format of its own, has begun.
	setUp bool
	// head is what was read of a message and not passed on yet, rest how many bytes follow it on the socket.
	head []byte
	rest int64
}

// Read gives the next bytes of messages that are no generic events.
func (f *genericFilter) Read(p []byte) (int, error) {
	for len(f.head) == 0 && f.rest == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if len(f.head) > 0 {
		n := copy(p, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	n, err := f.Conn.Read(p[:min(int64(len(p)), f.rest)])
	f.rest -= int64(n)
	return n, err //nolint:wrapcheck // a reader's io.EOF must stay what it is
}

// next reads the head of a message, or a whole generic event.
func (f *genericFilter) next() error {
	size := messageHead
	if !f.setUp {
		size = setupHead
	}
	head := make([]byte, size)
	if _, err := io.ReadFull(f.Conn, head); err != nil {
		return err //nolint:wrapcheck // as above
	}
	if !f.setUp {
		f.setUp = true
		f.head, f.rest = head, 4*int64(binary.LittleEndian.Uint16(head[6:]))
		return nil
	}
	length := 4 * int64(binary.LittleEndian.Uint32(head[4:]))
	switch head[0] &^ sentBySendEvent {
	case replyMessage:
		f.head, f.rest = head, length
	case genericEvent:
		if length > maxGeneric {
			return fmt.Errorf("xdisplay: a generic event of %d bytes", length)
		}
		event := slices.Concat(head, make([]byte, length))
		if _, err := io.ReadFull(f.Conn, event[messageHead:]); err != nil {
			return err //nolint:wrapcheck // as above
		}
		f.take(event)
	default:
		f.head = head
	}
	return nil
}
