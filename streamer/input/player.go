package input

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"streamstack/streamer/input/inputtest"
	"streamstack/streamer/input/xdisplay"
)

// Kinds of fakeEvent beyond the core protocol's, which are below 128. A scroll's x and y are parts of a notch, right and down; a
// touch's detail is its slot.
const (
	scroll byte = 128 + iota
	touchBegin
	touchUpdate
	touchEnd
)

// Names of the inputtest devices' sockets in their folder.
const (
	mouseSocket = "mouse"
	touchSocket = "touch"
)

// player plays events on the display. Keys go through XTEST. Mouse and fingers go through devices of the inputtest driver where the
// display has them, else the mouse goes through XTEST. All of a mouse goes one way: toolkits with smooth scrolling drop the first turn of
// a wheel after another device has moved the pointer. One goroutine uses it.
type player struct {
	conn         *xdisplay.Conn
	root         xproto.Window
	mouse, touch *inputtest.Device
	// last is what the event before went through; its events must be over before another's begin.
	last sink
}

// sink is a way into the X server.
type sink int

const (
	sinkNone sink = iota
	sinkXTEST
	sinkMouse
	sinkTouch
)

// newPlayer opens the devices whose sockets are in the folder; "" means none. What is not there is told in missing.
func newPlayer(ctx context.Context, conn *xdisplay.Conn, root xproto.Window, folder string) (p *player, missing error) {
	p = &player{conn: conn, root: root}
	if folder == "" {
		return p, errors.New("input: the display was started without a touch screen")
	}
	var noMouse, noTouch error
	p.mouse, noMouse = inputtest.Open(ctx, filepath.Join(folder, mouseSocket))
	p.touch, noTouch = inputtest.Open(ctx, filepath.Join(folder, touchSocket))
	return p, errors.Join(noMouse, noTouch)
}

func (p *player) close() {
	for _, d := range []*inputtest.Device{p.mouse, p.touch} {
		if d != nil {
			_ = d.Close() // nothing is left to lose: events are waited for
		}
	}
}

// play plays events in order and waits until the server has taken them: so a slow server makes moves wait, and be merged, before it.
// Places are pixels of a screen of the given size.
func (p *player) play(ctx context.Context, events []fakeEvent, width, height int) error {
	for _, e := range events {
		s := p.sinkOf(e)
		if s != p.last {
			if err := p.settle(ctx); err != nil {
				return err
			}
		}
		p.last = s
		if err := p.one(e, s, width, height); err != nil {
			return fmt.Errorf("input: %w", err)
		}
	}
	return p.settle(ctx)
}

func (p *player) sinkOf(e fakeEvent) sink {
	switch e.kind {
	case touchBegin, touchUpdate, touchEnd:
		return sinkTouch
	case xproto.MotionNotify, xproto.ButtonPress, xproto.ButtonRelease, scroll:
		if p.mouse != nil {
			return sinkMouse
		}
	}
	return sinkXTEST
}

func (p *player) one(e fakeEvent, s sink, width, height int) error {
	switch s {
	case sinkMouse:
		return playMouse(p.mouse, e)
	case sinkTouch:
		return playTouch(p.touch, e, width, height)
	default:
		xtest.FakeInput(p.conn.Conn, e.kind, e.detail, xproto.TimeCurrentTime, p.root, e.x, e.y, 0)
		return nil
	}
}

func playMouse(d *inputtest.Device, e fakeEvent) error {
	switch e.kind {
	case xproto.MotionNotify:
		if e.detail == motionRelative {
			return d.MoveBy(float64(e.x), float64(e.y))
		}
		return d.MoveTo(float64(e.x), float64(e.y))
	case scroll:
		return d.Scroll(float64(e.x), float64(e.y))
	default:
		return d.Button(e.detail, e.kind == xproto.ButtonPress)
	}
}

func playTouch(d *inputtest.Device, e fakeEvent, width, height int) error {
	// The middle of the pixel, so that no rounding leads to its neighbour.
	x, y := (float64(e.x)+0.5)/float64(width), (float64(e.y)+0.5)/float64(height)
	switch e.kind {
	case touchBegin:
		return d.TouchBegin(uint32(e.detail), x, y)
	case touchUpdate:
		return d.TouchUpdate(uint32(e.detail), x, y)
	default:
		return d.TouchEnd(uint32(e.detail))
	}
}

// settle waits until the server has handled what was played: whatever way an event goes, it is handled before a request that comes later.
func (p *player) settle(ctx context.Context) error {
	if p.last == sinkNone {
		return nil
	}
	p.last = sinkNone
	if err := p.conn.RoundTrip(ctx); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	return nil
}
