package streamer

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"streamstack/events"
	"streamstack/streamer/control"
	"streamstack/streamer/peer"
)

// Gamepads play gamepads on the instance's machine.
type Gamepads interface {
	Handle(m control.Message) error
	ReleaseAll() error
}

// Clipboard is the display's.
type Clipboard interface {
	Set(ctx context.Context, text string) error
	Copied() <-chan string
}

// Sensors hands what the client's device senses to the instance, and asks the client for it by send, which does not wait.
type Sensors interface {
	Handle(m control.Message)
	Attach(send func(message []byte) error) (detach func())
}

// Extras are ways in and out beside mouse, keyboard and text; any may be nil.
type Extras struct {
	Gamepads Gamepads
	// ClipboardIn takes the client's clipboard, ClipboardOut gives it the display's.
	ClipboardIn, ClipboardOut Clipboard
	Sensors                   Sensors
	// Capabilities are announced to clients in resp:discover, for pages that know them; others ignore them.
	Capabilities []string
	// MessageRate is how many messages a second a client may send; zero means maxMessages.
	MessageRate int
}

func (e *Extras) messageRate() int {
	if e.MessageRate > 0 {
		return e.MessageRate
	}
	return maxMessages
}

const (
	// maxMessages is how many messages a second a client may send, and maxMessageBytes how much. Four gamepads with all axes in
	// motion, three sensors, ten fingers and a mouse are half of the first; a clipboard of the largest size at once is within the
	// burst of the second, which is of bucketTime.
	maxMessages, maxMessageBytes = 4000, 1 << 20
	// bucketTime is what may be saved up.
	bucketTime = 2 * time.Second
	// maxClipboard bounds the client's clipboard while its parts come in.
	maxClipboard = 512 << 10
)

// dropReason is why a control message was not acted on; the values are those of the quality samples.
type dropReason string

const (
	dropInvalid dropReason = "invalid" // not what the contract allows, or too large
	dropUnknown dropReason = "unknown" // of a type that this release does not know
	dropFlood   dropReason = "flood"   // more than a client may send
	dropLate    dropReason = "late"    // the display did not take it in time
	dropNowhere dropReason = "nowhere" // the machine has no such device
)

var dropReasons = []dropReason{dropInvalid, dropUnknown, dropFlood, dropLate, dropNowhere}

// controls is the control channel of one client. Messages come on one goroutine of the peer; the counts are read by others.
type controls struct {
	c               *client
	messages, bytes bucket
	flooding        bool
	clipboard       strings.Builder
	tooLong         bool
	received        atomic.Uint64
	dropped         map[dropReason]*atomic.Uint64
	detach          func()
}

func newControls(c *client) *controls {
	k := &controls{
		c: c, messages: bucket{rate: c.s.cfg.Extras.messageRate()}, bytes: bucket{rate: maxMessageBytes}, dropped: map[dropReason]*atomic.Uint64{}, detach: func() {},
	}
	for _, reason := range dropReasons {
		k.dropped[reason] = &atomic.Uint64{}
	}
	return k
}

// opened is called when the channel is there, on the peer's goroutine.
func (k *controls) opened() {
	if s := k.c.s.cfg.Extras.Sensors; s != nil {
		k.detach = s.Attach(func(message []byte) error { return k.c.peer.Send(peer.ControlChannel, message) })
	}
}

// message handles one message, on the peer's goroutine: a slow X server slows the client down.
func (k *controls) message(ctx context.Context, data []byte, post func(func(context.Context) error)) {
	k.received.Add(1)
	now := time.Now()
	if !k.messages.take(1, now) || !k.bytes.take(len(data), now) {
		k.flooded(ctx)
		return
	}
	k.flooding = false
	m, err := control.Parse(data)
	if err != nil {
		reason := dropInvalid
		if errors.Is(err, control.ErrUnknown) {
			reason = dropUnknown
		}
		k.drop(reason, err)
		return
	}
	if _, leaving := m.(control.Disconnect); leaving {
		post(func(ctx context.Context) error {
			return k.c.s.drop(ctx, k.c, peer.Gone, events.DisconnectedData{Reason: events.ReasonLeft})
		})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, inputTime)
	defer cancel()
	k.act(ctx, m)
}

// act gives a message to whom it is for.
func (k *controls) act(ctx context.Context, m control.Message) {
	extras := &k.c.s.cfg.Extras
	switch m := m.(type) {
	case control.GamepadButton, control.GamepadAxis:
		if extras.Gamepads == nil {
			k.drop(dropNowhere, errors.New("no gamepads on this machine"))
		} else if err := extras.Gamepads.Handle(m); err != nil {
			k.drop(dropNowhere, err)
		} else {
			k.c.captures.acted()
		}
	case control.Acceleration, control.Gyroscope, control.Orientation, control.Location, control.ScreenOrientation, control.IMEAction:
		if extras.Sensors == nil {
			k.drop(dropNowhere, errors.New("the instance has no socket for sensors"))
		} else {
			extras.Sensors.Handle(m)
		}
	case control.ClipboardText:
		k.paste(ctx, m)
	case control.DisplayRhythm:
		k.c.captures.follow(m.Rhythm)
	default:
		if err := k.c.s.cfg.Input.Handle(ctx, m); err != nil {
			k.drop(dropLate, err)
			return
		}
		k.c.captures.acted()
	}
}

// flooded counts a message that is too much. What is down is let go, since the dropped ones may have been its release.
func (k *controls) flooded(ctx context.Context) {
	k.dropped[dropFlood].Add(1)
	if k.flooding {
		return
	}
	k.flooding = true
	k.c.s.log.Warn("a client sends more than it may: messages are dropped, keys and buttons let go", "peer", k.c.id)
	k.release(ctx)
}

func (k *controls) drop(reason dropReason, err error) {
	k.dropped[reason].Add(1)
	k.c.s.log.Debug("control message not used", "peer", k.c.id, "reason", reason, "err", err)
}

// release lets go of all that the client held down.
func (k *controls) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inputTime)
	defer cancel()
	if err := k.c.s.cfg.Input.ReleaseAll(ctx); err != nil {
		k.c.s.log.Warn("keys and buttons may still be down", "err", err)
	}
	if pads := k.c.s.cfg.Extras.Gamepads; pads != nil {
		if err := pads.ReleaseAll(); err != nil {
			k.c.s.log.Warn("buttons of gamepads may still be down", "err", err)
		}
	}
}

// close is called once no message comes any more.
func (k *controls) close(ctx context.Context) {
	k.detach()
	k.release(ctx)
}

// counts are the messages so far, and those that were dropped.
func (k *controls) counts() inputCounts {
	n := inputCounts{received: k.received.Load(), dropped: map[dropReason]uint64{}}
	for reason, count := range k.dropped {
		n.dropped[reason] = count.Load()
	}
	return n
}

// inputCounts is one reading of the counters.
type inputCounts struct {
	received uint64
	dropped  map[dropReason]uint64
}

// since puts what has come since another reading into a sample.
func (n inputCounts) since(before inputCounts, d *events.QualityData) {
	d.Inputs = n.received - before.received
	for reason, count := range n.dropped {
		if count -= before.dropped[reason]; count > 0 {
			if d.InputsDropped == nil {
				d.InputsDropped = map[string]uint64{}
			}
			d.InputsDropped[string(reason)] = count
		}
	}
}

// bucket is a token bucket: rate a second, of which bucketTime may be saved up.
type bucket struct {
	rate  int
	level float64
	last  time.Time
}

// take takes n, or nothing where there is not enough.
func (b *bucket) take(n int, now time.Time) bool {
	most := float64(b.rate) * bucketTime.Seconds()
	if b.last.IsZero() {
		b.level = most
	} else {
		b.level = min(most, b.level+max(0, now.Sub(b.last).Seconds())*float64(b.rate))
	}
	b.last = now
	if b.level < float64(n) {
		return false
	}
	b.level -= float64(n)
	return true
}
