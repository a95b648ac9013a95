package input

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/control"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

// startAble gives a device on a display with all that instances have.
func startAble(t *testing.T) (*Device, *xorgtest.Server) {
	t.Helper()
	server := xorgtest.Start(t, testWidth, testHeight)
	device, err := Open(t.Context(), server.Display, server.Folder, testWidth, testHeight, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, device.Close()) })
	require.True(t, device.Touch())
	require.True(t, device.SmoothScroll())
	return device, server
}

func TestDeviceTouch(t *testing.T) {
	device, server := startAble(t)
	w := xorgtest.Watch(t, server.Display)
	handle(t, device, control.TouchStart{ID: 5, X: 100.9, Y: 50})
	w.Expect(t, "@100,50", "begin 100,50") // the pointer follows the first finger
	handle(t, device, control.TouchStart{ID: 9, X: testWidth, Y: testHeight}, control.TouchMove{ID: 1, X: 1, Y: 1})
	w.Expect(t, "begin 639,479")
	handle(t, device, control.TouchMove{ID: 5, X: 110, Y: 60})
	w.Expect(t, "move 110,60")
	handle(t, device, control.TouchEnd{ID: 9}, control.TouchEnd{ID: 9})
	w.Expect(t, "end")
	for id := range 12 { // ten at most, with the one that is down
		handle(t, device, control.TouchStart{ID: 100 + id, X: 1, Y: 1})
	}
	begins := make([]string, 9)
	for i := range begins {
		begins[i] = "begin 1,1"
	}
	w.Expect(t, begins...)
	require.NoError(t, device.ReleaseAll(t.Context()))
	w.Expect(t, append([]string{"end"}, []string{"end", "end", "end", "end", "end", "end", "end", "end", "end"}...)...)
}

// TestDeviceSmoothMouse: all of the mouse comes from one device, so that toolkits count every turn of the wheel.
func TestDeviceSmoothMouse(t *testing.T) {
	device, server := startAble(t)
	w := xorgtest.Watch(t, server.Display)
	handle(t, device, moveTo(100.7, 50.2), control.MouseMove{RX: 20, RY: -5})
	w.Expect(t, "@100,50", "@120,45")
	handle(t, device, control.MouseScroll{Y: 30}, control.MouseWheel{X: 1})
	w.Expect(t, "@120,45 scroll3+30", "@120,45 scroll2-120", "+~b6", "-~b6")
	handle(t, device, control.MouseWheel{Y: -1})
	w.Expect(t, "@120,45 scroll3+120", "+~b5", "-~b5")
	handle(t, device, press(control.KeyShift), pressButton(control.ButtonForward), releaseButton(control.ButtonForward), release(control.KeyShift))
	w.Expect(t, "+b9", "-b9")
}

// TestDeviceHearsOfTheScreensSize: another size of the screen is the limit of places.
func TestDeviceHearsOfTheScreensSize(t *testing.T) {
	device, server := startAble(t)
	handle(t, device, moveTo(5000, 5000))
	server.Resize(t, 320, 240)
	w := xorgtest.Watch(t, server.Display)
	require.True(t, poll(t, patience, func() bool { // the device hears of it in its own time
		handle(t, device, control.TouchStart{X: 80, Y: 60}, control.TouchEnd{})
		return w.Has("begin 80,60")
	}))
	handle(t, device, moveTo(5000, 5000))
	require.True(t, poll(t, patience, func() bool { return w.Has("@319,239") }))
}
