package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/console/browsertest"
)

// desk is a live stream whose input is looked at as it arrives at the streamer's peer.
type desk struct {
	*browsertest.Browser
	peer *peer
	seen int
	// Where the picture is on the page, and how many CSS pixels one of its pixels takes.
	left, top, scale float64
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	return openDeskOf(t)
}

// openDeskOf opens one whose streamer has capabilities.
func openDeskOf(t *testing.T, capabilities ...string) *desk {
	t.Helper()
	b, g := openConsole(t, "")
	g.mu.Lock()
	g.capabilities = capabilities
	g.mu.Unlock()
	d := &desk{Browser: b}
	g.look(start(b), func(s *session) { d.peer = s.peer })
	var box struct{ Left, Top, Width float64 }
	b.Wait(`streamstack.control.readyState === 'open'`, "the control channel")
	b.Wait(`!document.querySelector('#timeline-panel').hidden`, "the page's final layout")
	b.Eval(`import('./console/geometry.js').then((m) => m.pictureBox(document.querySelector('#video')
		.getBoundingClientRect(), {width: 1280, height: 720}))`, &box)
	d.left, d.top, d.scale = box.Left, box.Top, box.Width/pictureWidth
	return d
}

// at is a point of the page for one of the picture.
func (d *desk) at(x, y float64) (float64, float64) { return d.left + x*d.scale, d.top + y*d.scale }

// expect waits for exactly these messages, after those that were expected before.
func (d *desk) expect(what string, want ...string) {
	d.T.Helper()
	d.Eventually(func() bool { return len(d.peer.received()) >= d.seen+len(want) }, what)
	got := d.peer.received()[d.seen:]
	require.Equal(d.T, want, got, what)
	d.seen += len(want)
}

// moved waits for one movement, which must end at the point, and passes over it.
func (d *desk) moved(x, y float64) {
	d.T.Helper()
	d.Eventually(func() bool { return len(d.peer.received()) > d.seen }, "a movement")
	var to struct{ X, Y float64 }
	var rx, ry int
	_, err := fmt.Sscanf(d.peer.received()[d.seen], `control {"type":"input::mouse-move","data":{"rx":%d,"ry":%d,"x":%f,"y":%f}}`, &rx, &ry, &to.X, &to.Y)
	require.NoError(d.T, err, d.peer.received()[d.seen])
	require.InDelta(d.T, x, to.X, 2, "x in pixels of the picture")
	require.InDelta(d.T, y, to.Y, 2, "y in pixels of the picture")
	d.seen++
}

func (d *desk) mouse(kind input.DispatchMouseEventType, x, y float64, options ...chromedp.MouseOption) {
	d.T.Helper()
	px, py := d.at(x, y)
	d.Do(chromedp.MouseEvent(kind, px, py, options...))
}

// key sends one event of a key, of which KeyEvent would always send both.
func (d *desk) key(kind input.DispatchKeyEventType, code, key string, options ...chromedp.KeyOption) {
	d.T.Helper()
	p := input.DispatchKeyEventParams{Type: kind, Code: code, Key: key}
	for _, option := range options {
		option(&p)
	}
	_, err := chromedp.Call(d.Ctx, input.DispatchKeyEvent, p)
	require.NoError(d.T, err)
}

func button(number int, pressed bool) string {
	return fmt.Sprintf(`control {"type":"input::mouse-button","data":{"pressed":%t,"button":%d}}`, pressed, number)
}

func key(code int, pressed bool) string {
	return fmt.Sprintf(`control {"type":"input::key","data":{"code":%d,"pressed":%t}}`, code, pressed)
}

func TestMouse(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.mouse(chromedp.MouseMoved, 100, 100)
	d.moved(100, 100)
	for number, name := range map[int]string{1: "left", 2: "middle", 3: "right", 4: "back", 5: "forward"} {
		d.mouse(chromedp.MousePressed, 100, 100, chromedp.Button(name))
		d.mouse(chromedp.MouseReleased, 100, 100, chromedp.Button(name))
		d.expect(name, button(number, true), button(number, false))
	}

	// A press says where first, and a drag that leaves the picture ends at its edge.
	d.mouse(chromedp.MousePressed, 640, 360, chromedp.ButtonLeft)
	d.moved(640, 360)
	d.expect("press", button(1, true))
	d.mouse(chromedp.MouseMoved, 300, -40, chromedp.ButtonLeft, held)
	d.moved(300, 0)
	d.mouse(chromedp.MouseReleased, 300, -40, chromedp.ButtonLeft)
	d.expect("release outside", button(1, false))
}

// held tells the browser that the left button is down during a movement.
func held(p *input.DispatchMouseEventParams) { p.Buttons = 1 }

func TestWheel(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.mouse(chromedp.MouseMoved, 640, 360)
	d.moved(640, 360)
	const nothing = 1e-9 // cdproto leaves out a zero, and Chromium wants both
	for _, c := range []struct {
		dx, dy float64
		want   string
	}{
		{nothing, 120, `{"x":0,"y":-1}`}, {nothing, -120, `{"x":0,"y":1}`}, {120, nothing, `{"x":-1,"y":0}`}, {-120, nothing, `{"x":1,"y":0}`},
	} {
		d.mouse(chromedp.MouseWheel, 640, 360, func(p *input.DispatchMouseEventParams) { p.DeltaX, p.DeltaY = c.dx, c.dy })
		d.expect(c.want, `control {"type":"input::mouse-wheel","data":`+c.want+`}`)
	}
}

func TestKeyboard(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.Do(chromedp.KeyEvent("q"))
	d.expect("a letter", key(20, true), key(20, false))
	d.Do(chromedp.KeyEvent("\t"))
	d.expect("Tab stays in the picture", key(43, true), key(43, false))

	d.key("keyDown", "ShiftLeft", "Shift")
	d.expect("a modifier is sent at once", key(84, true))
	d.key("keyDown", "ShiftRight", "Shift")
	d.key("keyUp", "ShiftLeft", "Shift")
	d.key("keyDown", "KeyA", "A")
	d.key("keyDown", "KeyA", "A") // a repeat
	d.key("keyUp", "KeyA", "A")
	d.expect("both Shifts are one", key(4, true), key(4, false))
	d.key("keyUp", "ShiftRight", "Shift")
	d.expect("and let go with the last", key(84, false))

	d.key("keyDown", "NumpadAdd", "+")
	d.key("keyUp", "NumpadAdd", "+")
	d.expect("the pad's plus", key(84, true), key(46, true), key(84, false), key(46, false))

	d.key("keyDown", "F13", "F13")
	d.key("keyUp", "F13", "F13")
	d.key("keyDown", "ControlRight", "Control")
	d.key("keyDown", "KeyC", "c")
	d.expect("a key without a number sends nothing", key(83, true), key(6, true))
	d.Exec(`document.querySelector('#video').blur()`)
	d.expect("everything is let go with the focus", key(83, false), key(6, false))
	d.Do(chromedp.KeyEvent("q"))
	d.Exec(`document.querySelector('#video').focus()`)
	d.Do(chromedp.KeyEvent("z"))
	d.expect("only the focused picture takes keys", key(29, true), key(29, false))
}

func TestTheWayOutForTheKeyboard(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.key("keyDown", "ControlLeft", "Control")
	d.key("keyDown", "AltLeft", "Alt")
	d.key("keyDown", "Home", "Home", chromedp.KeyModifiers(chromedp.ModifierCtrl, chromedp.ModifierAlt))
	d.expect("the modifiers are let go", key(83, true), key(85, true), key(83, false), key(85, false))
	d.Wait(`document.activeElement.id === 'leave'`, "the focus on the buttons")
}

func TestAFingerIsTheLeftButton(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	x, y := d.at(200, 150)
	d.Do(chromedp.TapXY(x, y))
	d.moved(200, 150)
	d.expect("a tap", button(1, true),
		button(1, false))
	// The next thing to arrive is the key: the mouse events that browsers make up after a tap were not sent.
	d.Do(chromedp.KeyEvent("q"))
	d.expect("no second click", key(20, true), key(20, false))
}
