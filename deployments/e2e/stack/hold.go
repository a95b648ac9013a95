package stack

import (
	"bufio"
	encoding "encoding/binary"
	"fmt"
	"io"
	"strings"
)

// hold lets some messages of a websocket through to its client, and then nothing more in either direction, as a network
// does that breaks. Without it, what a test calls the middle of a negotiation on one machine is over before it looks.
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

// up is the way to the gateway, which swallows what comes once it is held. A nil hold holds nothing.
func (h *hold) up(w io.Writer) io.Writer {
	if h == nil {
		return w
	}
	return gate{h, w}
}

type gate struct {
	h *hold
	w io.Writer
}

func (g gate) Write(p []byte) (int, error) {
	select {
	case <-g.h.closed:
		return len(p), nil
	default:
		return g.w.Write(p) //nolint:wrapcheck // it stands for the writer
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

// copyHead carries the answer to the opening handshake.
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

// readFrame reads a frame of a server, which is not masked (RFC 6455, section 5.2), and tells whether it begins a text.
func readFrame(r *bufio.Reader) (frame []byte, text bool, err error) {
	const opcode, isText, length, short, long = 0x0f, 1, 0x7f, 126, 127
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
	frame = make([]byte, 2+extra+size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, false, fmt.Errorf("hold: %w", err)
	}
	return frame, text, nil
}
