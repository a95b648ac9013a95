package console

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
)

// TestHandheld: which way the device is held, and where it is, said by hand and by the browser.
func TestHandheld(t *testing.T) {
	t.Parallel()
	d := openDeskOf(t, "touch")
	d.Click(`#handheld summary`)
	d.Click(`#rotate`)
	d.arrives("a quarter clockwise", `{"type":"sensor:event","data":{"sensor":"acceleration","x":-9.81,"y":0,"z":0}}`)
	d.Wait(`document.querySelector('#handheld-note').textContent === 'Turned by 90 degrees.'`, "that, in words")
	var box struct{ Left, Top, Width, Height, StageWidth, StageHeight float64 }
	d.Eval(`((v, s) => ({Left: v.left, Top: v.top, Width: v.width, Height: v.height, StageWidth: s.width, StageHeight: s.height}))
		(document.querySelector('#video').getBoundingClientRect(), document.querySelector('#stage').getBoundingClientRect())`, &box)
	require.InDelta(t, box.StageWidth, box.Width, 1, "the turned picture fills the stage: %+v", box)
	require.InDelta(t, box.StageHeight, box.Height, 1, "%+v", box)

	d.Click(`#handheld summary`) // which lies over the picture
	d.Wait(`!document.querySelector('#handheld').open`, "a closed menu")
	// A finger on the upper right end of what is seen is at the picture's own beginning.
	id, scale := 1.0, box.Height/pictureWidth // as high as the stage, for the picture is wider than high
	right := box.Left + (box.Width+pictureHeight*scale)/2
	_, err := chromedp.Call(d.Ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchStart",
		TouchPoints: []*input.TouchPoint{{X: right - 50*scale, Y: box.Top + 100*scale, ID: &id}}})
	require.NoError(t, err)
	d.touchedAt(100, 50)
	_, err = chromedp.Call(d.Ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchEnd", TouchPoints: []*input.TouchPoint{}})
	require.NoError(t, err)

	d.Click(`#handheld summary`)
	for range 3 {
		d.Click(`#rotate`)
	}
	d.arrives("upright again", `{"type":"sensor:event","data":{"sensor":"acceleration","x":0,"y":9.81,"z":0}}`)

	d.Do(chromedp.SendKeys(chromedp.CSS(`#latitude`), "52.52"), chromedp.SendKeys(chromedp.CSS(`#longitude`), "-13.5"))
	d.Click(`#place-send`)
	require.Regexp(t, `"data":\{"format":"wgs84","time":\d{13},"latitude":52.52,"longitude":-13.5,"altitude":0,"speed":0,"bearing":0\}\}$`,
		d.arrives("a place", `{"type":"location::update-position"`))

	allow := func(setting browser.PermissionSetting) {
		_, err := chromedp.Call(d.Ctx, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: "geolocation"}, Setting: setting})
		require.NoError(t, err)
	}
	allow("granted")
	latitude, longitude, accuracy := 48.25, 11.5, 30.0
	_, err = chromedp.Call(d.Ctx, emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &latitude, Longitude: &longitude, Accuracy: &accuracy})
	require.NoError(t, err)
	d.Click(`#place-here`)
	require.Regexp(t, `"latitude":48.25,"longitude":11.5,"altitude":0,"speed":0,"bearing":0,"horizontal_accuracy":30\}\}$`,
		d.arrives("the browser's place", `{"type":"location::update-position"`))
	d.Wait(`document.querySelector('#handheld-note').textContent === 'The session was told 48.25000, 11.50000.'`, "that, in words")
	allow("denied")
	d.Click(`#place-here`)
	d.Wait(`document.querySelector('#handheld-note').textContent.startsWith('The browser does not tell where you are: ')`, "the refusal, in words")

	d.Click(`#leave`)
	d.Wait(`document.querySelector('#handheld').hidden && !document.querySelector('#video').dataset.turn`, "nothing of it without a stream")
}

// touchedAt waits for a finger that comes down near a place of the picture.
func (d *desk) touchedAt(x, y float64) {
	d.T.Helper()
	var m struct {
		Data struct{ X, Y float64 }
	}
	require.NoError(d.T, json.Unmarshal([]byte(strings.TrimPrefix(d.arrives("a finger", `{"type":"input::touch-start"`), "control ")), &m))
	require.InDelta(d.T, x, m.Data.X, 3)
	require.InDelta(d.T, y, m.Data.Y, 3)
}

// TestWatching: the button Watch lets somebody look who cannot do more.
func TestWatching(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "&microphone=1")
	b.Exec(`document.querySelector('#keep').checked = true`)
	id := start(b)
	g.look(id, func(s *session) {
		s.log("gateway", "joined", message{"peer": "0192f1c2-0000-7000-8000-00000000000a", "generation": 1, "role": "viewer", "account": "kim"})
		s.log("streamer", "connected", message{"peer": "0192f1c2-0000-7000-8000-00000000000a", "codec": "VP8", "pair": message{
			"local": message{"kind": "host"}, "remote": message{"kind": "host"}, "protocol": "udp"}, "connect_ms": 1})
	})
	b.Wait(`document.querySelector('#viewers summary').textContent === '1 watching'`, "who watches, in number")
	b.Wait(`/^kim, since .+, VP8, directly$/.test(document.querySelector('#viewers li').textContent)`, "and in words")
	g.look(id, func(s *session) {
		s.log("streamer", "disconnected", message{"peer": "0192f1c2-0000-7000-8000-00000000000a", "reason": "left", "connected": true})
	})
	b.Wait(`document.querySelector('#viewers').hidden`, "nobody")
	b.Click(`#leave`)

	b.Wait(`document.querySelector('#sessions [data-action=watch]:enabled')`, "Watch")
	b.Click(`#sessions [data-action=watch]`)
	b.Wait(`streamstack.state === 'live' && /^Watching /.test(document.querySelector('#status').textContent)`, "the picture that is watched")
	b.Wait(`streamstack.control.readyState === 'open'`, "the control channel")
	b.Wait(`document.querySelector('#handheld').hidden && document.querySelector('#lock').hidden && document.querySelector('#files').hidden`, "nothing to do anything with")
	b.Click(`#video`)
	b.Do(chromedp.KeyEvent("q"))
	b.Click(`#leave`)
	b.Wait(`streamstack.state === 'idle'`, "the end")
	g.look(id, func(s *session) {
		require.Equal(t, "viewer", s.role)
		require.Equal(t, []any{}, s.peer.settings["data_channels"])
		require.Equal(t, false, s.peer.settings["enable_microphone"])
	})
	b.Eventually(func() bool {
		var said []string
		g.look(id, func(s *session) { said = s.peer.received() })
		for _, m := range said {
			require.Equal(t, `control {"type":"stream::disconnect","data":{}}`, m, "all that a viewer says")
		}
		return len(said) == 1
	}, "the farewell")
}

// TestDevicesOfTheUser: microphone and camera record when the session asks for them, and what does not work is said.
func TestDevicesOfTheUser(t *testing.T) {
	t.Parallel()
	b, g := openConsole(t, "")
	g.mu.Lock()
	g.devices = true
	g.mu.Unlock()
	b.Click(`#settings summary`)
	b.Click(`#microphone`)
	b.Click(`#camera`)
	id := start(b)
	b.Wait(`streamstack.control.readyState === 'open'`, "the control channel")
	var p *peer
	g.look(id, func(s *session) { p = s.peer })
	p.mu.Lock()
	require.Equal(t, []any{true, true}, []any{p.settings["enable_microphone"], p.settings["enable_camera"]})
	p.mu.Unlock()
	p.say(`{"type":"enable-microphone","data":"{\"freq\":48000,\"channels\":2,\"samples\":480}"}`)
	p.hears(b, webrtc.RTPCodecTypeAudio)
	p.say(`{"type":"open-camera","data":"{\"resolution\":{\"width\":640,\"height\":480},\"facing-mode\":\"front\",\"frame-rate\":15}"}`)
	p.hears(b, webrtc.RTPCodecTypeVideo)
	p.say(`{"type":"close-camera"}`)
	p.say(`{"type":"disable-microphone"}`)
	b.Wait(`streamstack.pc.getSenders().every(({track}) => !track)`, "the end of all recording")

	b.Exec(`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))`)
	p.say(`{"type":"open-camera","data":"{\"facing-mode\":\"front\"}"}`)
	b.Wait(`document.querySelector('#notice-text').textContent === 'The browser does not give the session your camera: Permission denied.'`, "the refusal, in words")
	g.look(id, func(s *session) {
		s.log("client", "attached", message{"peer": "0192f1c2-0000-7000-8000-00000000000b"})
		s.log("streamer", "device_changed", message{"peer": "0192f1c2-0000-7000-8000-00000000000b", "device": "microphone", "state": "unavailable", "reason": "this instance has none"})
	})
	b.Wait(`document.querySelector('#notice-text').textContent === 'The session cannot take your microphone: this instance has none'`, "what the host lacks, in words")
}
