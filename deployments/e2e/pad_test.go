package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// pasted is what the browser's clipboard has, and copied what is copied in the session: every letter of it is beyond ASCII or near.
const pasted, copied = "für Ωmega\nand two lines", "für Ωmega\nand two lines, twice\n"

// pad is an application of another make (Tk): a field of text above a plane, which is grey once keys go to the field, and green once that
// has the text that was pasted.
const pad = `
wm geometry . 1280x720+0+0
. configure -background #400040
text .field -height 5 -font {Courier 20}
pack .field -fill x
bind .field <<Modified>> {
	.field edit modified 0
	if {[.field get 1.0 end-1c] eq "f\u00fcr \u03a9mega\nand two lines"} { . configure -background #00a000 }
}
bind .field <FocusIn> { if {[. cget -background] eq "#400040"} { . configure -background #202020 } }
bind .field <Map> { focus -force .field }
`

// pads is a folder of applications: the pad and the test card.
func pads(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	script := filepath.Join(folder, "pad.tcl")
	require.NoError(t, os.WriteFile(script, []byte(pad), 0o600))
	card, err := os.ReadFile("../../agent/application/builtin/testcard.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "testcard.yaml"), card, 0o600))
	text := fmt.Sprintf("name: pad\nversion: 1\ncommand: [wish, %q]\nenv: {LANG: C.UTF-8}\nscreen: {width: 1280, height: 720, fps: 30}\naudio: false\n", script)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pad.yaml"), []byte(text), 0o600))
	return folder
}

// checkLock: a mouse that is locked into the picture moves the application's pointer by as much as it moves itself, wherever that is, and
// beyond where the picture ends on the page.
func checkLock(t *testing.T, h hand) {
	t.Helper()
	card, one := h.card(), h.viewer.of(t)
	h.viewer = one
	arm := func(at image.Point) image.Rectangle {
		return image.Rectangle{Min: at.Add(image.Pt(14, -1)), Max: at.Add(image.Pt(18, 2))}
	}
	at := centre(card.Bars[4].Rect)
	h.mouse(chromedp.MouseMoved, at)
	h.colourAt(arm(at), white, "the crosshair at the pointer")
	one.Click(`#lock`)
	one.Wait(`document.pointerLockElement?.id === 'video'`, "the locked mouse")
	// What is measured is what the browser says of its mouse, which begins where the button was clicked.
	one.Exec(`(() => { window.moved = {x: 0, y: 0}; streamstack.video.addEventListener('pointermove', (e) => { moved.x += e.movementX; moved.y += e.movementY; }); })()`)
	var begin struct{ X, Y float64 }
	one.Eval(`((b) => ({X: Math.round(b.left + b.width / 2), Y: Math.round(b.top + b.height / 2)}))(document.querySelector('#lock').getBoundingClientRect())`, &begin)
	for _, to := range [][2]float64{{0, 0}, {-60, 20}, {-150, 45}} {
		one.Do(chromedp.MouseEvent(chromedp.MouseMoved, begin.X+to[0], begin.Y+to[1]))
	}
	_, _, scale := h.box()
	var moved struct{ X, Y float64 }
	stack.Eventually(t, liveTime, func() string {
		one.Eval(`moved`, &moved)
		if moved.X > -50 {
			return fmt.Sprintf("50 pixels to the left, the mouse moved by %+v", moved)
		}
		to := at.Add(image.Pt(int(math.Round(moved.X/scale)), int(math.Round(moved.Y/scale)))).Add(image.Pt(16, 0))
		for _, c := range h.sample(to.Add(image.Pt(0, -1)), to, to.Add(image.Pt(0, 1))) { // a pixel off by rounding
			if distance(c, white) <= near {
				return ""
			}
		}
		return fmt.Sprintf("the application's pointer at %v, after the mouse moved by %+v", to, moved)
	})
	h.colourAt(arm(at), card.Bars[4].Colour, "where it was")
	one.Exec(`document.exitPointerLock()`)
	one.Wait(`!document.pointerLockElement`, "the mouse let out")
}

// checkPad copies and pastes, turns and places, in an application that is not ours.
func checkPad(t *testing.T, v viewer) {
	t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write", "geolocation"} {
		_, err := chromedp.Call(v.Ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: "granted",
		})
		require.NoError(t, err)
	}
	v.again("")
	id := v.start("pad")
	plane := image.Rect(600, 400, 680, 480)
	v.colourAt(plane, color.RGBA{0x20, 0x20, 0x20, 255}, "the pad, whose field has the focus")
	var written bool
	v.Eval(`navigator.clipboard.writeText(`+strconv.Quote(pasted)+`).then(() => true)`, &written)
	v.Exec(`streamstack.video.focus()`)
	v.control("KeyV", "v", 'V')
	v.colourAt(plane, color.RGBA{0, 0xa0, 0, 255}, "what the pad does when it has the text")

	// The session's way: all is marked (Control and slash, in Tk), copied, and lands in the browser's clipboard.
	v.Do(chromedp.KeyEvent(", twice"))
	v.control("Slash", "/", 0xbf)
	v.control("KeyC", "c", 'C')
	stack.Eventually(t, liveTime, func() string {
		var text string
		v.Eval(`navigator.clipboard.readText()`, &text)
		if text != copied {
			return fmt.Sprintf("what was copied: the clipboard has %q", text)
		}
		return ""
	})
	checkSenses(t, v, id)
}

// checkSenses reads as a program of the instance does what the user says of the device.
func checkSenses(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(runtimeOf(t, v.s, id), "sensors"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }() // it was read only
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(liveTime)))
	lines := bufio.NewReader(conn)
	next := func() string {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(line)
	}
	v.Click(`#handheld summary`)
	v.Click(`#rotate`)
	require.JSONEq(t, `{"type":"acceleration","x":-9.81,"y":0,"z":0}`, next())
	latitude, longitude, accuracy := 48.25, -11.5, 30.0
	_, err = chromedp.Call(v.Ctx, emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &latitude, Longitude: &longitude, Accuracy: &accuracy})
	require.NoError(t, err)
	v.Click(`#place-here`)
	var place struct {
		Type                                    string
		Latitude, Longitude, HorizontalAccuracy float64
	}
	text := next()
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(text, "horizontal_accuracy", "HorizontalAccuracy")), &place), text)
	require.Equal(t, []any{"location", latitude, longitude, accuracy}, []any{place.Type, place.Latitude, place.Longitude, place.HorizontalAccuracy})

	_, err = fmt.Fprintln(conn, `{"activate":"orientation"}`)
	require.NoError(t, err)
	stack.Eventually(t, liveTime, func() string { // the page hears of the wish in its own time
		v.Exec(`window.dispatchEvent(new DeviceOrientationEvent('deviceorientation', {}))`) // as a browser does that has no sensor
		v.Exec(`window.dispatchEvent(new DeviceOrientationEvent('deviceorientation', {alpha: 30, beta: 12, gamma: 10}))`)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		line, err := lines.ReadString('\n')
		if err != nil {
			return "a reading of the sensor"
		}
		require.JSONEq(t, `{"type":"orientation","roll":12,"pitch":10,"azimuth":30}`, line)
		return ""
	})
}

// runtimeOf is the folder of an instance's sockets.
func runtimeOf(t *testing.T, s *stack.Stack, id events.SessionID) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Data, "instances", string(id), "state.json"))
	require.NoError(t, err)
	var x struct{ Runtime string }
	require.NoError(t, json.Unmarshal(text, &x))
	return x.Runtime
}

// control presses a key while Control is held, as a keyboard does it.
func (v viewer) control(code, key string, windows int64) {
	v.T.Helper()
	const held = 2 // the bit of Control
	for _, p := range []input.DispatchKeyEventParams{
		{Type: "rawKeyDown", Code: "ControlLeft", Key: "Control", WindowsVirtualKeyCode: 17, Modifiers: held},
		{Type: "rawKeyDown", Code: code, Key: key, WindowsVirtualKeyCode: windows, Modifiers: held},
		{Type: "keyUp", Code: code, Key: key, WindowsVirtualKeyCode: windows, Modifiers: held},
		{Type: "keyUp", Code: "ControlLeft", Key: "Control", WindowsVirtualKeyCode: 17},
	} {
		_, err := chromedp.Call(v.Ctx, input.DispatchKeyEvent, p)
		require.NoError(v.T, err)
	}
}
