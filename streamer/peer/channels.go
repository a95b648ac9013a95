package peer

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pion/webrtc/v3"
)

const (
	// MaxMessage is the largest message either way, in bytes. Without a max-message-size in the description it is the
	// limit of the other side too (RFC 8841, section 6.1), less the one byte pion's buffer lacks.
	MaxMessage = 64<<10 - 1
	// maxBuffered bytes may wait in one channel; a client that reads no more must not fill the memory.
	maxBuffered = 1 << 20
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

// channels are the data channels the client made. The streamer makes none: the SDK would ignore them.
type channels struct {
	mu     sync.Mutex
	wanted []string
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
	switch {
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
	if err := p.channels.accept(channel); err != nil {
		p.log.Warn("data channel refused", "label", cut(label), "reason", err)
		// pion can close a channel on the wire only once it is open.
		channel.OnOpen(func() {
			if err := channel.Close(); err != nil {
				p.log.Debug("refused data channel not closed", "error", err)
			}
		})
		return
	}
	// pion starts the open callback and the reading side by side; whichever is first announces the channel.
	var once sync.Once
	announce := func() {
		once.Do(func() {
			p.tell(func(h *Handlers) {
				if h.ChannelOpen != nil {
					h.ChannelOpen(label)
				}
			})
		})
	}
	channel.OnOpen(announce)
	channel.OnClose(func() { p.channels.drop(channel) })
	channel.OnMessage(func(msg webrtc.DataChannelMessage) {
		announce()
		p.dispatcher.postWait(func() {
			if p.cfg.Handlers.Message != nil {
				p.cfg.Handlers.Message(label, msg.Data, msg.IsString)
			}
		})
	})
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
