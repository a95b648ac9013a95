package testcard

import (
	"context"
	"image"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xi2"
)

// verticalScroll is the axis of the wheel of mice that turn it smoothly (as Xorg's drivers number them).
const verticalScroll = 3

// unicodeKeysyms is what keysyms of characters beyond Latin 1 begin with.
const unicodeKeysyms xproto.Keysym = 0x01000000

// touchEvent is an XInput event among the core protocol's.
type touchEvent struct{ xi2.Event }

// Bytes and String make it an event of xgb.
func (touchEvent) Bytes() []byte  { return nil }
func (touchEvent) String() string { return "XInput event" }

// takeTouch hands an XInput event to the main loop.
func takeTouch(ctx context.Context, raw []byte, events chan<- xgb.Event) {
	e, ok := xi2.Parse(raw)
	if !ok {
		return
	}
	select {
	case events <- touchEvent{e}:
	case <-ctx.Done():
	}
}

// selectTouch asks for what the core protocol has not: fingers, and parts of a wheel's notch. The pointer comes with it, for a window's
// client gets an event only once. A server without XInput 2.2 shows the rest.
func (a *app) selectTouch(ctx context.Context) {
	err := xi2.Select(ctx, a.canvas.conn, a.canvas.window, xi2.Motion, xi2.TouchBegin, xi2.TouchUpdate, xi2.TouchEnd)
	if err != nil {
		a.log.Warn("testcard: no touch and no smooth scrolling", "error", err)
	}
}

// touched follows an XInput event, and tells whether a finger was put down.
func (a *app) touched(e touchEvent) bool {
	at := image.Pt(int(e.X), int(e.Y))
	switch e.Kind {
	case xi2.Motion:
		a.status.pointer = at
		if way, ok := e.Valuators[verticalScroll]; ok {
			a.status.scrolled, a.status.hasScrolled = int(way), true
		}
	case xi2.TouchBegin, xi2.TouchUpdate:
		if a.status.touches == nil {
			a.status.touches = map[uint32]image.Point{}
		}
		a.status.touches[e.Detail] = at
		return e.Kind == xi2.TouchBegin
	case xi2.TouchEnd:
		delete(a.status.touches, e.Detail)
	}
	return false
}

// typed gives the character of a key, 0 for a key that types none.
func typed(keysyms []xproto.Keysym, state uint16) rune {
	level := 0
	if state&xproto.ModMaskShift != 0 && len(keysyms) > 1 && keysyms[1] != 0 {
		level = 1
	}
	switch k := keysyms[level]; {
	case k >= 0x20 && k <= 0xff:
		return rune(k)
	case k > unicodeKeysyms:
		return rune(k - unicodeKeysyms)
	}
	return 0
}
