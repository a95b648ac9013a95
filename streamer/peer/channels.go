package peer

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pion/webrtc/v3"
)

const (
	// MaxMessage is the largest message we send, in bytes. Without a max-message-size in the client's description it is the
	// limit of the other side (RFC 8841, section 6.1), less one byte for stacks that count like pion.
	MaxMessage = 64<<10 - 1
	// maxReceived is the largest message we take, in bytes; our descriptions say so (RFC 8841, section 6), and a browser
	// refuses to send a larger one. It is what Chromium and Firefox have as their own largest.
	maxReceived = 256 << 10
	// maxBuffered bytes may wait in one channel; a client that reads no more must not fill the memory.
	maxBuffered = 1 << 20
	// maxMade is how many channels a client may make in all. pion keeps each one, also those that are closed or refused, until the
	// connection ends.
	maxMade = 1000
	// offerChannelID is the stream of a channel made only so that the offer has an application line. It is negotiated
	// out of band, which means that the client never hears of it; clients number theirs from 0 up.
	offerChannelID = 1023
)

// Errors of Send.
var (
	ErrNoChannel = errors.New("peer: no such open data channel")
	ErrTooLarge  = fmt.Errorf("peer: message is larger than %d bytes", MaxMessage)
	ErrCongested = fmt.Errorf("peer: more than %d bytes wait in the data channel", maxBuffered)
)

// errTooMany ends the connection of a client that makes channels without end.
var errTooMany = fmt.Errorf("more than %d data channels made in one connection", maxMade)

// channels are the data channels the client made. The streamer makes none: the SDK would ignore them.
type channels struct {
	mu     sync.Mutex
	wanted []string
	made   int
	open   map[string]*webrtc.DataChannel
}

func newChannels(settings Settings) *channels {
	c := &channels{open: make(map[string]*webrtc.DataChannel)}
	c.want(settings)
	return c
}

// want has the control channel and those of the settings accepted.
func (c *channels) want(settings Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = append([]string{ControlChannel}, settings.DataChannels...)
}

// accept takes a new channel, or says why not: only the control channel and those of the settings, once each, and with
// the SDK's options, which are ordered and reliable.
func (c *channels) accept(channel *webrtc.DataChannel) error {
	label := channel.Label()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	switch {
	case c.made > maxMade:
		return errTooMany
	case !slices.Contains(c.wanted, label):
		return errors.New("not named in the settings")
	case !channel.Ordered() || channel.MaxRetransmits() != nil || channel.MaxPacketLifeTime() != nil:
		return errors.New("not ordered and reliable")
	case c.open[label] != nil:
		return errors.New("open already")
	}
	c.open[label] = channel
	return nil
}

func (c *channels) drop(channel *webrtc.DataChannel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[channel.Label()] == channel {
		delete(c.open, channel.Label())
	}
}

// ready returns the channel to send size bytes on.
func (c *channels) ready(label string, size int) (*webrtc.DataChannel, error) {
	if size > MaxMessage {
		return nil, ErrTooLarge
	}
	c.mu.Lock()
	channel := c.open[label]
	c.mu.Unlock()
	if channel == nil || channel.ReadyState() != webrtc.DataChannelStateOpen {
		return nil, fmt.Errorf("%w: %q", ErrNoChannel, label)
	}
	if channel.BufferedAmount() > maxBuffered {
		return nil, fmt.Errorf("%w: %q", ErrCongested, label)
	}
	return channel, nil
}

// onDataChannel is called by pion for each channel the client makes, before the channel can be used.
func (p *Peer) onDataChannel(channel *webrtc.DataChannel) {
	label := channel.Label()
	err := p.channels.accept(channel)
	if errors.Is(err, errTooMany) {
		p.end(Left)
		return
	}
	if err != nil {
		p.log.Warn("data channel refused", "label", cut(label), "reason", err)
		// pion can close a channel on the wire only once it is open.
		channel.OnOpen(func() { p.openChannel(channel, p.refuseChannel) })
		return
	}
	channel.OnOpen(func() { p.openChannel(channel, p.serveChannel) })
}

func (p *Peer) openChannel(channel *webrtc.DataChannel, take func(*Channel)) {
	raw, err := channel.Detach()
	if err != nil {
		p.log.Error("data channel cannot be read", "label", cut(channel.Label()), "error", err)
		return
	}
	take(newChannel(p, channel, raw))
}

// refuseChannel closes a channel, and reads what the client sends on it all the same: it would take the others' part of the window.
func (p *Peer) refuseChannel(c *Channel) {
	c.Close()
	p.onChannel(c.drain)
}

// onChannel runs what reads a channel, until the channel's end. It returns false where the peer is closed.
func (p *Peer) onChannel(read func()) bool {
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if p.step == stepClosed { // Close waits for the goroutines after that
		return false
	}
	p.goroutines.Go(read)
	return true
}

// serveChannel hands an open channel to the owner, or reads it for the owner's Message handler.
func (p *Peer) serveChannel(c *Channel) {
	if take := p.cfg.Handlers.Channel; take != nil && c.label != ControlChannel {
		if p.onChannel(c.fill) { // else nothing would end who receives
			p.dispatcher.post(func() { take(c) })
		}
		return
	}
	p.tell(func(h *Handlers) {
		if h.ChannelOpen != nil {
			h.ChannelOpen(c.label)
		}
	})
	p.onChannel(func() { p.readChannel(c) })
}

// readChannel reads a channel as fast as its messages are handled.
func (p *Peer) readChannel(c *Channel) {
	for {
		data, text, err := c.read()
		if err != nil {
			return
		}
		p.dispatcher.postWait(func() {
			if p.cfg.Handlers.Message != nil {
				p.cfg.Handlers.Message(c.label, data, text)
			}
		})
	}
}

// Send sends a text message on the client's channel of that label. It does not wait. Errors: ErrNoChannel, ErrTooLarge,
// ErrCongested, or that the connection has ended.
func (p *Peer) Send(label string, text []byte) error {
	channel, err := p.channels.ready(label, len(text))
	if err != nil {
		return err
	}
	if err := channel.SendText(string(text)); err != nil {
		return fmt.Errorf("peer: send on %q: %w", label, err)
	}
	return nil
}

// SendBinary is Send for a binary message.
func (p *Peer) SendBinary(label string, data []byte) error {
	channel, err := p.channels.ready(label, len(data))
	if err != nil {
		return err
	}
	if err := channel.Send(data); err != nil {
		return fmt.Errorf("peer: send on %q: %w", label, err)
	}
	return nil
}
