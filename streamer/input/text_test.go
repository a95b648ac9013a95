package input

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/control"
	"streamstack/streamer/input/xdisplay"
)

// editor is an X client with a line of text, which takes characters, BackSpace and Return.
type editor struct {
	conn *xdisplay.Conn
	mu   sync.Mutex
	text []rune
	// shortcuts counts keys that were pressed with Control.
	shortcuts int
}

func edit(t *testing.T, display string) *editor {
	t.Helper()
	conn, err := xdisplay.Dial(t.Context(), display)
	require.NoError(t, err)
	screen := xproto.Setup(conn.Conn).DefaultScreen(conn.Conn)
	window, err := xproto.NewWindowId(conn.Conn)
	require.NoError(t, err)
	xproto.CreateWindow(conn.Conn, screen.RootDepth, window, screen.Root, 0, 0, 100, 100, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwOverrideRedirect|xproto.CwEventMask, []uint32{1, xproto.EventMaskKeyPress})
	xproto.MapWindow(conn.Conn, window)
	xproto.SetInputFocus(conn.Conn, xproto.InputFocusPointerRoot, window, xproto.TimeCurrentTime)
	require.NoError(t, conn.RoundTrip(t.Context()))
	e := &editor{conn: conn}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			event, xerr := conn.WaitForEvent()
			if event == nil && xerr == nil {
				return
			}
			if key, ok := event.(xproto.KeyPressEvent); ok {
				e.press(key)
			}
		}
	}()
	t.Cleanup(func() { conn.Abort(); <-ended })
	return e
}

// press looks the key up, as toolkits do, when it gets to the event.
func (e *editor) press(key xproto.KeyPressEvent) {
	mapping, err := xproto.GetKeyboardMapping(e.conn.Conn, key.Detail, 1).Reply()
	if err != nil {
		return
	}
	level := 0
	if shift, lock := key.State&xproto.ModMaskShift != 0, key.State&xproto.ModMaskLock != 0; shift != (lock && caseMatters(mapping.Keysyms[0])) {
		level = 1
	}
	keysym := mapping.Keysyms[level]
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case key.State&xproto.ModMaskControl != 0:
		e.shortcuts++
	case keysym == keysymBackSpace:
		e.text = e.text[:max(0, len(e.text)-1)]
	case keysym == keysymReturn:
		e.text = append(e.text, '\n')
	case keysym >= keysymUnicode:
		e.text = append(e.text, rune(keysym-keysymUnicode))
	case keysym < 0xff00:
		e.text = append(e.text, rune(keysym))
	}
}

func (e *editor) expect(t *testing.T, want string) {
	t.Helper()
	got := ""
	require.True(t, poll(t, patience, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		got = string(e.text)
		return got == want
	}), "the text is %q, not %q", got, want)
}

func (e *editor) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = nil
}

func TestText(t *testing.T) {
	device, server := startAble(t)
	e := edit(t, server.Display)
	text := func(s string) control.IMEText { return control.IMEText{Text: s} }
	composing := func(s string) control.IMEComposing { return control.IMEComposing{Text: s} }

	handle(t, device, text("Hello, World!\n"))
	e.expect(t, "Hello, World!\n")
	e.clear()
	handle(t, device, text("hé 日本語 🙂 日"))
	e.expect(t, "hé 日本語 🙂 日")
	e.clear()

	t.Run("what is composed shows, and changes", func(t *testing.T) {
		handle(t, device, composing("n"), composing("に"), composing("にh"), composing("にほ"))
		e.expect(t, "にほ")
		handle(t, device, text("日本"), composing("g"))
		e.expect(t, "日本g")
		handle(t, device, control.IMERegion{}, composing("x")) // composing has ended: g stays
		e.expect(t, "日本gx")
		handle(t, device, composing(""), control.IMEKey{Code: 67, Times: 2})
		e.expect(t, "日")
		handle(t, device, composing("a"), press(keyB), release(keyB), text("c")) // the key goes behind what is composed
		e.expect(t, "日abc")
		e.clear()
	})
	t.Run("Caps Lock does not matter", func(t *testing.T) {
		handle(t, device, press(57), release(57), text("aBé"), press(57), release(57), text("aB"))
		e.expect(t, "aBéaB")
		e.clear()
	})
	t.Run("a held Control makes no shortcut of it, and stays held", func(t *testing.T) {
		handle(t, device, press(control.KeyControl), text("né"), press(keyA), release(keyA), release(control.KeyControl), text("o"))
		e.expect(t, "néo")
		assert.Equal(t, 1, e.shortcuts)
		e.clear()
	})
	t.Run("more characters than there are keys", func(t *testing.T) {
		var many strings.Builder
		for r := rune(0x4e00); r < 0x4e00+150; r++ {
			many.WriteRune(r)
		}
		handle(t, device, text(many.String()))
		e.expect(t, many.String())
		e.clear()
	})
	t.Run("another layout", func(t *testing.T) {
		server.SetLayout(t, "de")
		handle(t, device, text("zyß@é"))
		e.expect(t, "zyß@é")
	})
}

// TestReleaseEndsTyping: a long text takes minutes where its characters have no keys. The next client does not wait for it.
func TestReleaseEndsTyping(t *testing.T) {
	device, server := startAble(t)
	e := edit(t, server.Display)
	var many strings.Builder
	for r := rune(0x4e00); r < 0x4e00+maxText; r++ {
		many.WriteRune(r)
	}
	for range 10 {
		handle(t, device, control.IMEText{Text: many.String()})
	}
	typed := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.text)
	}
	require.True(t, poll(t, patience, func() bool { return typed() > 0 }))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, device.ReleaseAll(ctx))
	handle(t, device, control.IMEText{Text: "next"})
	require.True(t, poll(t, patience, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return strings.HasSuffix(string(e.text), "next")
	}))
	assert.Less(t, typed(), maxText)
}

// TestTypistKeepsTheText: an editor that follows the keysyms has what was committed and what is being composed.
func TestTypistKeepsTheText(t *testing.T) {
	word := rapid.StringOfN(rapid.SampledFrom([]rune("aéに")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		typist := newTypist(nil, 0)
		var shown []rune
		committed := ""
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			text := word.Draw(t, "text")
			var m control.Message = control.IMEComposing{Text: text}
			commit := rapid.Bool().Draw(t, "commit")
			if commit {
				m = control.IMEText{Text: text}
			}
			list, ok := typist.keysyms(m)
			require.True(t, ok)
			for _, k := range list {
				switch {
				case k == keysymBackSpace:
					shown = shown[:len(shown)-1]
				case k > keysymUnicode:
					shown = append(shown, rune(k-keysymUnicode))
				default:
					shown = append(shown, rune(k))
				}
			}
			require.Equal(t, committed+text, string(shown))
			if commit {
				committed += text
			}
		}
	})
}
