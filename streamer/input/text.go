package input

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"streamstack/streamer/control"
	"streamstack/streamer/input/xdisplay"
)

const (
	// maxText bounds the characters of one message that are typed.
	maxText = 4096
	// settleTime is how long a key keeps the character that was put on it after it was pressed: applications look the character up when
	// they get to the event. A busy one is late by tenths of a second.
	settleTime = 200 * time.Millisecond
	// shiftKey is the left Shift (KEY_LEFTSHIFT).
	shiftKey = 42 + evdevOffset
	// groupBits has the layout in use, as QueryPointer tells it (X Keyboard Extension 1.0, section 2.2.2).
	groupBits = 0x6000
)

// Keysyms of X11's keysymdef.h.
const (
	keysymBackSpace xproto.Keysym = 0xff08
	keysymTab       xproto.Keysym = 0xff09
	keysymReturn    xproto.Keysym = 0xff0d
	// keysymUnicode plus a code point is its keysym, but for those of Latin 1, which are their own.
	keysymUnicode xproto.Keysym = 0x01000000
)

// androidKeys are the key codes of Android that an input method may press (android.view.KeyEvent); clients send 67 only.
var androidKeys = map[int]xproto.Keysym{
	67: keysymBackSpace, 66: keysymReturn, 61: keysymTab, 112: 0xffff, // KEYCODE_DEL, _ENTER, _TAB, _FORWARD_DEL
	19: 0xff52, 20: 0xff54, 21: 0xff51, 22: 0xff53, // KEYCODE_DPAD_UP, _DOWN, _LEFT, _RIGHT
}

// typist types text on the X keyboard: a character that is on a key by that key, any other by a key that has none, which gets it. The
// owner of the device uses it.
type typist struct {
	conn *xdisplay.Conn
	root xproto.Window
	// composing is what an input method has shown and may still change.
	composing []rune
	// lent has the characters on keys that have none of their own, with the time of their last use.
	lent map[xproto.Keycode]loan
}

// loan is what a key without a character of its own is used for.
type loan struct {
	// keysym is 0 while the key is free.
	keysym xproto.Keysym
	used   time.Time
}

// stroke is how a character is typed.
type stroke struct {
	code  xproto.Keycode
	shift bool
}

// keyboard is the mapping at one time.
type keyboard struct {
	strokes map[xproto.Keysym]stroke
	// capsLock tells that letters come out with the other case.
	capsLock bool
}

func newTypist(conn *xdisplay.Conn, root xproto.Window) *typist {
	return &typist{conn: conn, root: root, lent: map[xproto.Keycode]loan{}}
}

// keysyms gives what to type for a message of the input method; false for messages that type nothing.
//
// What is being composed is typed as it is, so that it shows where it will be, and what changes of it is deleted by BackSpace first.
func (t *typist) keysyms(message control.Message) (list []xproto.Keysym, ok bool) {
	switch m := message.(type) {
	case control.IMEText:
		list = t.replace(characters(m.Text))
		t.composing = nil
	case control.IMEComposing:
		text := characters(m.Text)
		list = t.replace(text)
		t.composing = text
	case control.IMERegion:
		// X tells nothing of an application's text, so a region cannot be found in it. Ours has ended, in either case.
		t.composing = nil
	case control.IMEKey:
		keysym, known := androidKeys[m.Code]
		if !known {
			return nil, true
		}
		list = slices.Repeat([]xproto.Keysym{keysym}, m.Times)
		t.composing = t.composing[:max(0, len(t.composing)-m.Times)]
	default:
		return nil, false
	}
	return list, true
}

// replace gives the keysyms that turn what is being composed into a text.
func (t *typist) replace(text []rune) []xproto.Keysym {
	same := 0
	for same < len(text) && same < len(t.composing) && text[same] == t.composing[same] {
		same++
	}
	list := slices.Repeat([]xproto.Keysym{keysymBackSpace}, len(t.composing)-same)
	for _, r := range text[same:] {
		list = append(list, keysymOf(r))
	}
	return list
}

// characters are those of a text that can be typed.
func characters(text string) []rune {
	var list []rune
	for _, r := range text {
		if len(list) < maxText && (unicode.IsPrint(r) || r == '\n' || r == '\t') && r != unicode.ReplacementChar {
			list = append(list, r)
		}
	}
	return list
}

func keysymOf(r rune) xproto.Keysym {
	switch {
	case r == '\n':
		return keysymReturn
	case r == '\t':
		return keysymTab
	case r <= unicode.MaxLatin1:
		return xproto.Keysym(r)
	}
	return keysymUnicode + xproto.Keysym(r)
}

// write types keysyms. While it waits for a key to be free again it can be ended by ctx or closing, and after that by void.
func (t *typist) write(ctx context.Context, list []xproto.Keysym, closing <-chan struct{}, void func() bool) error {
	for len(list) > 0 && !void() {
		n, wait, err := t.some(ctx, list)
		if err != nil {
			return err
		}
		if list = list[n:]; wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-closing:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("input: typing: %w", ctx.Err())
		}
	}
	return nil
}

// some types as many keysyms as there are keys for now, and tells how long to wait before the next.
func (t *typist) some(ctx context.Context, list []xproto.Keysym) (typed int, wait time.Duration, err error) {
	err = t.conn.Guard(ctx, func() error {
		board, err := t.look()
		if err != nil {
			return err
		}
		for _, keysym := range list {
			s, ok := board.strokes[keysym]
			switch {
			case ok && board.capsLock && caseMatters(keysym):
				s.shift = !s.shift
			case !ok && len(t.lent) == 0:
				typed++ // a keyboard whose every key has a character cannot type this one
				continue
			case !ok:
				if s.code, wait = t.borrow(keysym, time.Now()); s.code == 0 {
					return t.roundTrip()
				}
			}
			t.press(s)
			typed++
		}
		return t.roundTrip()
	})
	if err != nil {
		return typed, 0, fmt.Errorf("input: typing: %w", err)
	}
	return typed, wait, nil
}

// roundTrip waits until the server has done what was asked of it; only within Guard.
func (t *typist) roundTrip() error {
	_, err := xproto.GetInputFocus(t.conn.Conn).Reply()
	return err //nolint:wrapcheck // Guard does
}

func (t *typist) press(s stroke) {
	fake := func(kind byte, code xproto.Keycode) {
		xtest.FakeInput(t.conn.Conn, kind, byte(code), xproto.TimeCurrentTime, t.root, 0, 0, 0)
	}
	if s.shift {
		fake(xproto.KeyPress, shiftKey)
	}
	fake(xproto.KeyPress, s.code)
	fake(xproto.KeyRelease, s.code)
	if s.shift {
		fake(xproto.KeyRelease, shiftKey)
	}
}

// look reads the keyboard's mapping. With another layout than the first in use only the keys that were lent are used.
func (t *typist) look() (keyboard, error) {
	setup := xproto.Setup(t.conn.Conn)
	first, count := setup.MinKeycode, setup.MaxKeycode-setup.MinKeycode+1
	mapping, err := xproto.GetKeyboardMapping(t.conn.Conn, first, byte(count)).Reply()
	if err != nil {
		return keyboard{}, fmt.Errorf("keyboard mapping: %w", err)
	}
	pointer, err := xproto.QueryPointer(t.conn.Conn, t.root).Reply()
	if err != nil {
		return keyboard{}, fmt.Errorf("state of the keyboard: %w", err)
	}
	board := keyboard{strokes: map[xproto.Keysym]stroke{}, capsLock: pointer.Mask&xproto.ModMaskLock != 0}
	for i := range int(count) {
		code := first + xproto.Keycode(i)
		row := mapping.Keysyms[i*int(mapping.KeysymsPerKeycode):][:mapping.KeysymsPerKeycode]
		if !slices.ContainsFunc(row, func(k xproto.Keysym) bool { return k != 0 }) {
			if l, known := t.lent[code]; !known || l.keysym != 0 { // new, or somebody has set the layout anew
				t.lent[code] = loan{}
			}
			continue
		}
		if l, lent := t.lent[code]; lent && row[0] == l.keysym {
			continue
		}
		delete(t.lent, code) // the layout has something on it now
		if pointer.Mask&groupBits != 0 {
			continue
		}
		for level := range min(2, len(row)) {
			if _, known := board.strokes[row[level]]; !known && row[level] != 0 {
				board.strokes[row[level]] = stroke{code, level == 1}
			}
		}
	}
	return board, nil
}

// borrow gives the key that has a keysym, or puts it on the one that has been unused for longest; 0 and how long to wait when none is
// free yet. There must be keys to lend.
func (t *typist) borrow(keysym xproto.Keysym, now time.Time) (xproto.Keycode, time.Duration) {
	var best xproto.Keycode
	for code, l := range t.lent {
		if l.keysym == keysym {
			best = code
			break
		}
		if best == 0 || l.used.Before(t.lent[best].used) || (l.used.Equal(t.lent[best].used) && code < best) {
			best = code
		}
	}
	if l := t.lent[best]; l.keysym != keysym {
		if wait := settleTime - now.Sub(l.used); l.keysym != 0 && wait > 0 {
			return 0, wait
		}
		xproto.ChangeKeyboardMapping(t.conn.Conn, 1, best, 2, []xproto.Keysym{keysym, keysym})
	}
	t.lent[best] = loan{keysym, now}
	return best, 0
}

// caseMatters tells whether Caps Lock changes a keysym.
func caseMatters(k xproto.Keysym) bool {
	return k <= unicode.MaxLatin1 && unicode.ToUpper(rune(k)) != unicode.ToLower(rune(k))
}
