package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// arrives waits until a message that begins so has come after those that were expected before, and passes over all up to it.
func (d *desk) arrives(what, begin string) string {
	d.T.Helper()
	found := ""
	d.Eventually(func() bool {
		for i, m := range d.peer.received()[d.seen:] {
			if strings.HasPrefix(m, "control "+begin) {
				found, d.seen = m, d.seen+i+1
				return true
			}
		}
		return false
	}, what)
	return found
}

// TestBesideMouseAndKeyboard: a streamer that can take more gets it. One browser for all.
func TestBesideMouseAndKeyboard(t *testing.T) {
	t.Parallel()
	d := openDeskOf(t, "touch", "text", "smooth-scroll", "clipboard-in", "clipboard-out")
	touch := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		t.Helper()
		_, err := chromedp.Call(d.Ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: append([]*input.TouchPoint{}, points...)})
		require.NoError(t, err)
	}
	finger := func(id, x, y float64) *input.TouchPoint {
		px, py := d.at(x, y)
		return &input.TouchPoint{X: px, Y: py, ID: &id}
	}
	touch("touchStart", finger(1, 200, 150))
	d.arrives("a finger", `{"type":"input::touch-start","data":{"id":0,"x":`)
	touch("touchStart", finger(1, 200, 150), finger(2, 600, 300))
	d.arrives("a second one", `{"type":"input::touch-start","data":{"id":1,"x":`)
	touch("touchMove", finger(1, 220, 150), finger(2, 600, 300))
	d.arrives("a movement", `{"type":"input::touch-move","data":{"id":0,"x":`)
	touch("touchEnd")
	d.arrives("the first up", `{"type":"input::touch-end","data":{"id":0,"last":false}}`)
	d.arrives("the last up", `{"type":"input::touch-end","data":{"id":1,"last":true}}`)

	const nothing = 1e-9 // cdproto leaves out a zero, and Chromium wants both
	d.mouse(chromedp.MouseMoved, 640, 360)
	d.mouse(chromedp.MouseWheel, 640, 360, func(p *input.DispatchMouseEventParams) { p.DeltaX, p.DeltaY = nothing, 25 })
	d.arrives("a quarter of a notch", `{"type":"input::mouse-scroll","data":{"x":0,"y":30}}`)

	// A key that types what no key of a US keyboard has there.
	d.Exec(`document.querySelector('#video').focus()`)
	d.key("keyDown", "Semicolon", "ö")
	d.key("keyUp", "Semicolon", "ö")
	d.arrives("a character", `{"type":"input::ime-event","data":{"type":1,"data":{"text":"ö"}}}`)

	// An input method, in the field that takes its text.
	d.Click(`#text-input`)
	d.Wait(`document.activeElement.id === 'text' && document.querySelector('#text-input').getAttribute('aria-pressed') === 'true'`, "text input")
	_, err := chromedp.Call(d.Ctx, input.ImeSetComposition, input.ImeSetCompositionParams{Text: "に", SelectionStart: 1, SelectionEnd: 1})
	require.NoError(t, err)
	d.arrives("what is composed", `{"type":"input::ime-event","data":{"type":4,"data":{"text":"に"}}}`)
	_, err = chromedp.Call(d.Ctx, input.InsertText, input.InsertTextParams{Text: "日"})
	require.NoError(t, err)
	d.arrives("what is committed", `{"type":"input::ime-event","data":{"type":1,"data":{"text":"日"}}}`)
	_, err = chromedp.Call(d.Ctx, input.InsertText, input.InsertTextParams{Text: "🙂"})
	require.NoError(t, err)
	d.arrives("text without composing", `{"type":"input::ime-event","data":{"type":1,"data":{"text":"🙂"}}}`)
	d.Do(chromedp.KeyEvent("q"))
	d.arrives("a key stays a key", key(20, true)[len("control "):])
	d.Click(`#text-input`)
	d.Wait(`document.activeElement.id === 'video'`, "the picture has the focus again")

	// The clipboard: the browser's paste comes before the key that pastes; what is copied there lands in the browser's.
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err = chromedp.Call(d.Ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: "granted",
		})
		require.NoError(t, err)
	}
	d.Exec(`(() => { const data = new DataTransfer(); data.setData('text/plain', 'from here');
		const video = document.querySelector('#video'), options = {code: 'KeyV', key: 'v', ctrlKey: true, bubbles: true, cancelable: true};
		video.dispatchEvent(new KeyboardEvent('keydown', options));
		video.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
		video.dispatchEvent(new KeyboardEvent('keyup', options)); })()`)
	d.arrives("what is pasted", `{"type":"clipboard::text","data":{"text":"from here"}}`)
	d.arrives("and then the key", key(25, true)[len("control "):])
	d.peer.say(`{"type":"clipboard::text","data":"{\"text\":\"from \",\"more\":true}"}`)
	d.peer.say(`{"type":"clipboard::text","data":"{\"text\":\"there\"}"}`)
	d.Eventually(func() bool {
		var text string
		d.Eval(`navigator.clipboard.readText()`, &text)
		return text == "from there"
	}, "what was copied there")

	// Sensors, when the session asks for them.
	d.peer.say(`{"type":"activate-sensor","data":"{\"type\":\"orientation\"}"}`)
	d.Eventually(func() bool {
		d.Exec(`window.dispatchEvent(new DeviceOrientationEvent('deviceorientation', {alpha: 30, beta: 12, gamma: 10}))`)
		return strings.Contains(fmt.Sprint(d.peer.received()), `{"type":"sensor:event","data":{"sensor":"orientation","roll":12,"pitch":10,"azimuth":30}}`)
	}, "a reading")

	// A key that is held is said to be, so that the streamer does not take its release for lost.
	d.Exec(`document.querySelector('#video').focus()`)
	d.key("keyDown", "KeyW", "w")
	d.arrives("a key", key(26, true)[len("control "):])
	d.arrives("the key, still down", key(26, true)[len("control "):])
	d.key("keyUp", "KeyW", "w")
	d.arrives("and up", key(26, false)[len("control "):])

	// A locked mouse has movement only.
	d.Click(`#lock`)
	d.Wait(`document.pointerLockElement?.id === 'video'`, "the locked mouse")
	d.Eventually(func() bool {
		d.mouse(chromedp.MouseMoved, 700, 400)
		d.mouse(chromedp.MouseMoved, 720, 410)
		for _, m := range d.peer.received()[d.seen:] {
			if strings.HasPrefix(m, `control {"type":"input::mouse-move","data":{"rx":`) && !strings.Contains(m, `"x":`) {
				return true
			}
		}
		return false
	}, "movement without a place")
}
