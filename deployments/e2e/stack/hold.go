package stack

import (
	"bufio"
	encoding "encoding/binary"
	"fmt"
	"io"
	"strings"
)

// untilOffer is how many messages each side has to say for an offer: discover and settings, resp:discover and the offer.
const untilOffer = 2

// hold lets some messages of a websocket through to its client, and then nothing more in either direction, as a network
// does that breaks. Without it, what a test calls the middle of a negotiation on one machine is over before it looks.
//
// Of a client that is to get an offer and nothing after it the answer is not let through either: with that, and the candidates
// that come along, the two might find each other before the gateway's next message shows that it is time to hold.
type hold struct {
	messages int
	held     chan string   // gets the session
	closed   chan struct{} // once it holds
}

// Hold has the next websocket held after so many messages of the gateway. The channel gets the session's id once the
// message after them has come; the connection then ends with its gateway.
func (b *Balancer) Hold(messages int) <-chan string {
	h := &hold{messages: messages, held: make(chan string, 1), closed: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = h
	return h.held
}

// up carries what the client says, as far as it is let through, and returns when the client has gone. A nil hold holds nothing.
func (h *hold) up(gateway io.Writer, r *bufio.Reader) {
	if h == nil {
		_, _ = io.Copy(gateway, r) // either end may go at any time
		return
	}
	if copyHead(gateway, r) != nil {
		return
	}
	for said := 0; ; {
		frame, text, err := readFrame(r)
		if err != nil {
			return
		}
		if text {
			said++
		}
		select {
		case <-h.closed:
			continue
		default:
		}
		if text && h.messages <= untilOffer && said > untilOffer {
			continue
		}
		if _, err := gateway.Write(frame); err != nil {
			return
		}
	}
}

// down carries what the gateway says, as far as it is let through, and returns when the gateway has gone.
func (h *hold) down(client io.Writer, gateway io.Reader, session string) {
	r := bufio.NewReader(gateway)
	if copyHead(client, r) != nil {
		return
	}
	for n := 0; ; {
		frame, text, err := readFrame(r)
		if err != nil {
			return
		}
		if text && n == h.messages {
			break
		}
		if text {
			n++
		}
		if _, err := client.Write(frame); err != nil {
			return
		}
	}
	close(h.closed)
	h.held <- session
	_, _ = io.Copy(io.Discard, r) // until it ends
}

// copyHead carries the opening handshake, or the answer to it.
func copyHead(w io.Writer, r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("hold: %w", err)
		}
		if _, err := io.WriteString(w, line); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
		if strings.TrimSpace(line) == "" {
			return nil
		}
	}
}

// readFrame reads a frame, which is masked if it is a client's (RFC 6455, section 5.2), and tells whether it begins a text.
func readFrame(r *bufio.Reader) (frame []byte, text bool, err error) {
	const opcode, isText, masked, length, short, long, mask = 0x0f, 1, 0x80, 0x7f, 126, 127, 4
	head, err := r.Peek(2)
	if err != nil {
		return nil, false, fmt.Errorf("hold: %w", err)
	}
	text = head[0]&opcode == isText
	size, extra := int(head[1]&length), 0
	switch size {
	case short:
		extra = 2
	case long:
		extra = 8
	}
	if head, err = r.Peek(2 + extra); err != nil {
		return nil, false, fmt.Errorf("hold: %w", err)
	}
	switch size {
	case short:
		size = int(encoding.BigEndian.Uint16(head[2:]))
	case long:
		size = int(encoding.BigEndian.Uint64(head[2:]))
	}
	if head[1]&masked != 0 {
		extra += mask
	}
	frame = make([]byte, 2+extra+size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, false, fmt.Errorf("hold: %w", err)
	}
	return frame, text, nil
}
