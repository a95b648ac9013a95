package e2e

import (
	"fmt"
	"image"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/streamer/testcard"
)

// TestInput: every kind of input, done in the browser, is seen in the picture that comes back from an X application, or by what that
// does. One stack and one browser for all.
func TestInput(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t), "--applications", pads(t))
	v := open(t, s, "")
	id := v.start("testcard")
	card := v.card()
	var can []string
	v.Eval(`[...streamstack.capabilities]`, &can)
	require.Subset(t, can, []string{"touch", "text", "smooth-scroll", "clipboard-in", "clipboard-out"})

	hand := hand{v}
	t.Run("fingers", func(t *testing.T) {
		one, two := centre(card.Bars[2].Rect), centre(card.Bars[5].Rect)
		hand.touch("touchStart", finger{1, one})
		hand.touch("touchStart", finger{1, one}, finger{2, two})
		v.colourAt(beside(one), white, "the first finger")
		v.colourAt(beside(two), white, "the second finger")
		moved := centre(card.Bars[3].Rect)
		hand.touch("touchMove", finger{1, moved}, finger{2, two})
		v.colourAt(beside(moved), white, "the first finger, moved")
		v.colourAt(beside(one), card.Bars[2].Colour, "where it was")
		hand.touch("touchEnd")
		v.colourAt(beside(moved), card.Bars[3].Colour, "the first finger lifted")
		v.colourAt(beside(two), card.Bars[5].Colour, "the second finger lifted")
	})
	t.Run("mouse, buttons, wheel", func(t *testing.T) {
		at := centre(card.Bars[3].Rect)
		arm := image.Rectangle{Min: at.Add(image.Pt(14, -1)), Max: at.Add(image.Pt(18, 2))}
		hand.mouse(chromedp.MouseMoved, at)
		v.colourAt(arm, white, "the crosshair at the pointer")
		v.Exec(`streamstack.control.send('{"type":"input::mouse-move","data":{"rx":0,"ry":60}}')`)
		v.colourAt(arm, card.Bars[3].Colour, "the pointer has moved by")
		v.colourAt(arm.Add(image.Pt(0, 60)), white, "so far")
		hand.mouse(chromedp.MousePressed, at, chromedp.Button("right"))
		hand.mouse(chromedp.MouseReleased, at, chromedp.Button("right"))
		v.colourAt(card.ClickPatch, testcard.ClickColour(1, 3), "the right button")
		const nothing = 1e-9 // cdproto leaves out a zero, and Chromium wants both
		hand.mouse(chromedp.MouseWheel, at, func(p *input.DispatchMouseEventParams) { p.DeltaX, p.DeltaY = nothing, 25 })
		v.colourAt(card.ScrollPatch, testcard.ScrollColour(30), "a quarter of a notch")
		hand.mouse(chromedp.MouseWheel, at, func(p *input.DispatchMouseEventParams) { p.DeltaX, p.DeltaY = nothing, 100 })
		v.colourAt(card.ScrollPatch, testcard.ScrollColour(150), "and a whole one")
	})
	t.Run("a locked mouse", func(t *testing.T) { checkLock(t, hand) })
	t.Run("keys and text", func(t *testing.T) {
		v.Exec(`streamstack.video.focus()`)
		v.Do(keyQ)
		v.colourAt(card.TextPatch, testcard.TextColour('q'), "a key")
		v.Do(chromedp.KeyEvent("`"))
		v.colourAt(card.TextPatch, testcard.TextColour('`'), "the key that the contract has no number for")
		v.Click(`#text-input`)
		v.Wait(`document.activeElement.id === 'text'`, "text input")
		_, err := chromedp.Call(v.Ctx, input.ImeSetComposition, input.ImeSetCompositionParams{Text: "に", SelectionStart: 1, SelectionEnd: 1})
		require.NoError(t, err)
		v.colourAt(card.TextPatch, testcard.TextColour('に'), "what an input method composes")
		_, err = chromedp.Call(v.Ctx, input.InsertText, input.InsertTextParams{Text: "é"})
		require.NoError(t, err)
		v.colourAt(card.TextPatch, testcard.TextColour('é'), "what it commits")
		v.Click(`#text-input`)
	})
	t.Run("what is no input is counted, and changes nothing", func(t *testing.T) {
		v.Exec(`for (const text of ['{', '{"type":"input::key","data":{"code":"x"}}', '{"type":"input::mouse-move","data":{"x":1e9,"y":0}}',
			'{"type":"telepathy"}', JSON.stringify({type: 'input::key', data: 'x'.repeat(65000)}).slice(0, 65000)]) streamstack.control.send(text)`)
		for range 3 { // more than a client may send
			v.Exec(`for (let i = 0; i < 8000; i++) streamstack.control.send('{"type":"input::mouse-wheel","data":{"x":0,"y":9}}')`)
		}
		stack.Eventually(t, liveTime, func() string {
			dropped := map[string]uint64{}
			for _, q := range samples(t, s, id) {
				for reason, n := range q.InputsDropped {
					dropped[reason] += n
				}
			}
			if dropped["invalid"] < 4 || dropped["unknown"] != 1 {
				return fmt.Sprintf("four invalid ones, one unknown: %v", dropped)
			}
			return ""
		})
		v.Exec(`streamstack.video.focus()`)
		stack.Eventually(t, liveTime, func() string {
			v.Do(keyQ) // the first may come while there is still too much
			if distance(v.sample(centre(card.TextPatch))[0], testcard.TextColour('q')) > near {
				return "a key afterwards"
			}
			return ""
		})
	})
	t.Run("the clipboard, and what a device senses", func(t *testing.T) { checkPad(t, v.of(t)) })
	s.Verify()
}

// white is what the card draws at fingers and pointer.
var white = testcard.Layout(1280, 720).Ramp[10].Colour

// beside is inside of what is drawn at a finger, and outside of the pointer's crosshair.
func beside(at image.Point) image.Rectangle {
	return image.Rectangle{Min: at.Add(image.Pt(13, 13)), Max: at.Add(image.Pt(17, 17))}
}

// hand touches the page by points of the picture, which may move on the page between two touches.
type hand struct{ viewer }

type finger struct {
	id float64
	at image.Point
}

// box is where the picture begins on the page, and how many of the page's pixels one of its own takes.
func (h hand) box() (left, top, scale float64) {
	h.T.Helper()
	var box struct{ Left, Top, Width float64 }
	h.Eval(`import('./console/geometry.js').then((m) => m.pictureBox(streamstack.video.getBoundingClientRect(),
		{width: streamstack.video.videoWidth, height: streamstack.video.videoHeight}))`, &box)
	return box.Left, box.Top, box.Width / float64(h.card().Size.X)
}

func (h hand) place(at image.Point) (x, y float64) {
	h.T.Helper()
	left, top, scale := h.box()
	return left + (float64(at.X)+0.5)*scale, top + (float64(at.Y)+0.5)*scale
}

func (h hand) touch(kind input.DispatchTouchEventType, fingers ...finger) {
	h.T.Helper()
	points := []*input.TouchPoint{}
	for _, f := range fingers {
		x, y := h.place(f.at)
		points = append(points, &input.TouchPoint{X: x, Y: y, ID: &f.id})
	}
	_, err := chromedp.Call(h.Ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	require.NoError(h.T, err)
}

func (h hand) mouse(kind input.DispatchMouseEventType, at image.Point, options ...chromedp.MouseOption) {
	h.T.Helper()
	x, y := h.place(at)
	h.Do(chromedp.MouseEvent(kind, x, y, options...))
}
