package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pion/webrtc/v3"
)

const (
	// sendHigh bytes in a channel's queue make Channel.Send wait, sendLow let it go on: enough to fill a path of 10 Mbit/s and
	// 200 ms, and little enough that what else is on the association, such as control messages, is not far behind.
	sendHigh = 256 << 10
	sendLow  = 64 << 10
)

// Channel is one of the page's own data channels, from its opening on. It carries messages with back-pressure both ways: what
// is not received here makes the client's queue grow (SCTP flow control, RFC 9260, section 6.1), and Send waits while ours is
// full. Receive is for one goroutine; Send may be called from several.
//
// All channels of a client share one receive window, the control channel's too, so back-pressure on one delays the input: see
// inbox for how that is bounded.
type Channel struct {
	label string
	peer  *Peer
	dc    *webrtc.DataChannel
	raw   rawChannel

	buffer []byte // of read
	inbox  *inbox // of what was read

	sending sync.Mutex    // held by the one Send that waits
	low     chan struct{} // holds a token when the queue may have become short
	gone    chan struct{} // closed when the channel has ended
	end     sync.Once
}

// rawChannel is a detached data channel of pion's.
type rawChannel interface {
	ReadDataChannel(buffer []byte) (n int, isString bool, err error)
	WriteDataChannel(data []byte, isString bool) (n int, err error)
}

func newChannel(p *Peer, dc *webrtc.DataChannel, raw rawChannel) *Channel {
	c := &Channel{label: dc.Label(), peer: p, dc: dc, raw: raw, inbox: newInbox(), low: make(chan struct{}, 1), gone: make(chan struct{})}
	dc.SetBufferedAmountLowThreshold(sendLow)
	dc.OnBufferedAmountLow(func() {
		select {
		case c.low <- struct{}{}:
		default:
		}
	})
	return c
}

// Label is the page's name for the channel: [A-Za-z0-9_.-]{1,64}.
func (c *Channel) Label() string { return c.label }

// Done is closed when the channel has ended, on either side; Receive may still have what came before.
func (c *Channel) Done() <-chan struct{} { return c.gone }

// Receive waits for the next message of the client, up to 256 KiB; data is the caller's. text tells a string from binary. It
// returns io.EOF when the channel or the connection has ended, in whatever way; Peer.Close ends it.
func (c *Channel) Receive() (data []byte, text bool, err error) {
	m, ok := c.inbox.take()
	if !ok {
		return nil, false, io.EOF
	}
	return m.data, m.text, nil
}

// fill reads the channel until it has ended, so that what the client sent does not take the others' part of the window. Nobody
// waits for it but for room in the inbox. It goes on after Close: the client may not have heard of that.
func (c *Channel) fill() {
	defer c.inbox.refuse() // what waits can still be received
	behind := false        // the client may have been told that there is no room
	for {
		data, text, err := c.read()
		if err != nil {
			return
		}
		if behind {
			c.peer.tellWindow()
		}
		full := c.inbox.put(channelMessage{data, text})
		behind = full || behind && !c.inbox.short()
		if full && !c.inbox.waitForRoom(c.peer.ctx) {
			c.peer.log.Warn("data channel closed: nobody takes what the page sends, and the input would have to wait for it",
				"label", cut(c.label), "waiting", inboxSize)
			c.inbox.refuse()
			c.close()
		}
	}
}

// scrap is what is read at once of what nobody wants, in bytes: there may be as many refused channels as a client may make.
const scrap = 256

// drain reads the channel until it has ended, and keeps nothing.
func (c *Channel) drain() {
	buffer := make([]byte, scrap)
	for {
		// What does not fit is dropped by pion, which is what it is read for.
		if _, _, err := c.raw.ReadDataChannel(buffer); err != nil && !errors.Is(err, io.ErrShortBuffer) {
			return
		}
	}
}

// read waits for the next message on the wire.
func (c *Channel) read() (data []byte, text bool, err error) {
	if c.buffer == nil {
		c.buffer = make([]byte, maxReceived)
	}
	for {
		n, isString, err := c.raw.ReadDataChannel(c.buffer)
		switch {
		case err == nil:
			return append([]byte(nil), c.buffer[:n]...), isString, nil
		case errors.Is(err, io.ErrShortBuffer):
			// The client was told the limit, so no browser does this. The channel promises reliability: it ends.
			c.peer.log.Warn("message is too large: data channel closed", "label", cut(c.label), "limit", maxReceived)
			c.Close()
			return nil, false, io.EOF
		default:
			c.peer.channels.drop(c.dc)
			c.end.Do(func() { close(c.gone) })
			return nil, false, io.EOF
		}
	}
}

// Send sends a message of up to MaxMessage bytes, as a string or as binary, once the channel's queue is short enough. data can
// be used again when it returns. Errors: ErrTooLarge, ErrNoChannel when the channel has ended, and that of ctx.
func (c *Channel) Send(ctx context.Context, data []byte, text bool) error {
	if len(data) > MaxMessage {
		return ErrTooLarge
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	for c.dc.BufferedAmount() > sendHigh {
		select {
		case <-c.low:
		case <-c.gone:
			return fmt.Errorf("%w: %q", ErrNoChannel, c.label)
		case <-c.peer.ctx.Done():
			return fmt.Errorf("%w: %q", ErrNoChannel, c.label)
		case <-ctx.Done():
			return fmt.Errorf("peer: send on %q: %w", c.label, ctx.Err())
		}
	}
	if _, err := c.raw.WriteDataChannel(data, text); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrNoChannel, c.label, err)
	}
	return nil
}

// Close ends the channel; the client sees it close, and what was not received is dropped. It may be called again.
func (c *Channel) Close() {
	c.inbox.end()
	c.close()
}

func (c *Channel) close() {
	c.peer.channels.drop(c.dc)
	c.end.Do(func() { close(c.gone) })
	if err := c.dc.Close(); err != nil {
		c.peer.log.Debug("data channel not closed", "label", cut(c.label), "error", err)
	}
}
