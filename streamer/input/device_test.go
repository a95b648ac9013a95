package input

import (
	"context"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/control"
	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

const testWidth, testHeight = 640, 480

// start gives a device on an X server of its own, and the window that sees what the device does.
func start(t *testing.T, holdLimit time.Duration) (*Device, *recorder, *xorgtest.Server) {
	t.Helper()
	server := xorgtest.Start(t, testWidth, testHeight)
	window := record(t, server.Display)
	device, err := open(t.Context(), server.Display, "", newState(testWidth, testHeight, holdLimit), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = device.Close() }) // tests that care look at the error themselves
	return device, window, server
}

func handle(t *testing.T, d *Device, messages ...control.Message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, d.Handle(t.Context(), m))
	}
}

func TestDeviceMouseAndKeyboard(t *testing.T) {
	device, window, _ := start(t, HoldLimit)

	handle(t, device, moveTo(100.7, 50.2))
	window.expect(t, "@100,50")
	handle(t, device, moveTo(testWidth, testHeight))
	window.expect(t, "@639,479")
	handle(t, device, control.MouseMove{RX: -39, RY: -79})
	window.expect(t, "@600,400")
	for button, x := range map[control.Button]string{1: "1", 2: "2", 3: "3", 4: "8", 5: "9"} {
		handle(t, device, pressButton(button), releaseButton(button))
		window.expect(t, "+b"+x+" -b"+x)
	}
	handle(t, device, pressButton(1), pressButton(1), releaseButton(1))
	window.expect(t, "+b1 -b1 +b1 -b1")
	handle(t, device, control.MouseWheel{Y: 1}, control.MouseWheel{Y: -1}, control.MouseWheel{X: 1}, control.MouseWheel{X: -1})
	window.expect(t, "+b4 -b4 +b5 -b5 +b6 -b6 +b7 -b7")
	handle(t, device, press(keyA), press(keyA), release(keyA), press(unused), release(unused))
	window.expect(t, "+k38 -k38")
	handle(t, device, control.Disconnect{}, control.GamepadButton{}, press(80), release(80))
	window.expect(t, "+k113 -k113")
}

func TestDeviceReleasesWhenTheClientGoes(t *testing.T) {
	device, window, _ := start(t, HoldLimit)
	handle(t, device, press(control.KeyShift), press(keyA), pressButton(3))
	window.expect(t, "+k50 +k38 +b3")
	require.NoError(t, device.ReleaseAll(t.Context()))
	window.expect(t, "-b3 -k38 -k50")

	handle(t, device, press(keyB))
	window.expect(t, "+k56")
	require.NoError(t, device.Close())
	window.expect(t, "-k56")
	require.NoError(t, device.Close(), "a second time")
	require.ErrorIs(t, device.Handle(t.Context(), press(keyA)), ErrClosed)
	require.ErrorIs(t, device.ReleaseAll(t.Context()), ErrClosed)
	require.ErrorIs(t, device.Err(), ErrClosed)
}

// Places are on the screen as it is now, and nothing stays down on the one that was.
func TestDeviceFollowsTheScreen(t *testing.T) {
	device, window, _ := start(t, HoldLimit)
	handle(t, device, press(keyA))
	window.expect(t, "+k38")
	require.NoError(t, device.Resize(t.Context(), testWidth/2, testHeight/2))
	window.expect(t, "-k38")
	handle(t, device, moveTo(testWidth, testHeight))
	window.expect(t, "@319,239")
	require.Error(t, device.Resize(t.Context(), 0, 1))
}

func TestDeviceWatchdog(t *testing.T) {
	device, window, _ := start(t, 200*time.Millisecond)
	handle(t, device, press(keyA))
	window.expect(t, "+k38 -k38")
}

// TestDeviceManyMoves: a flood of moves neither blocks nor loses a key.
func TestDeviceManyMoves(t *testing.T) {
	device, window, _ := start(t, HoldLimit)
	for i := range 20 * queueSize {
		handle(t, device, moveTo(float64(i%testWidth), 1))
		if i%100 == 0 {
			handle(t, device, press(keyA), release(keyA))
		}
	}
	handle(t, device, pressButton(1), releaseButton(1))
	keys := 0
	require.True(t, poll(t, patience, func() bool {
		window.mu.Lock()
		defer window.mu.Unlock()
		keys = 0
		for _, e := range window.events {
			if e == "+k38" {
				keys++
			}
		}
		return len(window.events) > 0 && window.events[len(window.events)-1] == "-b1"
	}))
	assert.Equal(t, 20*queueSize/100+1, keys)
}

// TestKeysMeanWhatTheClientMeant types every key whose meaning a keyboard of the United States settles, through the server's own tables.
func TestKeysMeanWhatTheClientMeant(t *testing.T) {
	device, window, _ := start(t, HoldLimit)
	handle(t, device, press(80), release(80)) // the server takes over the key map of the keyboard that was used last
	window.expect(t, "+k113 -k113")
	conn := window.conn
	for name, want := range map[string]struct {
		code   control.KeyCode
		keysym xproto.Keysym
	}{
		"a": {4, 'a'}, "z": {29, 'z'}, "1": {30, '1'}, "0": {39, '0'}, "Return": {40, 0xff0d}, "Escape": {41, 0xff1b},
		"BackSpace": {42, 0xff08}, "Tab": {43, 0xff09}, "space": {44, ' '}, "backslash": {49, '\\'}, "apostrophe": {50, '\''},
		"comma": {54, ','}, "Caps_Lock": {57, 0xffe5}, "F1": {58, 0xffbe}, "F12": {69, 0xffc9}, "Print": {70, 0xff61}, "Pause": {72, 0xff13},
		"Insert": {73, 0xff63}, "Home": {74, 0xff50}, "Prior": {75, 0xff55}, "Delete": {76, 0xffff}, "End": {77, 0xff57}, "Next": {78, 0xff56},
		"Right": {79, 0xff53}, "Left": {80, 0xff51}, "Down": {81, 0xff54}, "Up": {82, 0xff52},
		"Control_L": {83, 0xffe3}, "Shift_L": {84, 0xffe1}, "Alt_L": {85, 0xffe9}, "Super_L": {86, 0xffeb}, "Alt_R": {87, 0xffea},
		"XF86AudioLowerVolume": {89, 0x1008ff11}, "XF86AudioRaiseVolume": {90, 0x1008ff13}, "XF86PowerOff": {91, 0x1008ff2a}, "XF86Back": {92, 0x1008ff26},
	} {
		code := keyEvent(xproto.KeyPress, want.code).detail
		reply, err := xproto.GetKeyboardMapping(conn.Conn, xproto.Keycode(code), 1).Reply()
		require.NoError(t, err)
		assert.Equal(t, want.keysym, reply.Keysyms[0], "%s: key code %d", name, code)
	}
}

func TestDeviceServerDies(t *testing.T) {
	device, window, server := start(t, HoldLimit)
	handle(t, device, press(keyA))
	window.expect(t, "+k38")
	require.NoError(t, server.Process.Kill())
	select {
	case <-device.Done():
	case <-time.After(patience):
		t.Fatal("the device does not notice that its X server is dead")
	}
	require.ErrorIs(t, device.Err(), xdisplay.ErrGone)
	require.ErrorIs(t, device.Handle(t.Context(), release(keyA)), xdisplay.ErrGone)
	require.ErrorIs(t, device.Close(), xdisplay.ErrGone)
}

func TestDeviceServerIsStuck(t *testing.T) {
	device, _, server := start(t, HoldLimit)
	require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
	var err error
	for err == nil { // the queue fills, then the device gives up
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err = device.Handle(ctx, pressButton(1))
		cancel()
	}
	require.ErrorIs(t, err, xdisplay.ErrStuck)
	require.ErrorIs(t, device.Close(), xdisplay.ErrStuck)
}

func TestHandleGivesUpWithItsContext(t *testing.T) {
	device, _, server := start(t, HoldLimit)
	require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var err error
	for err == nil {
		err = device.Handle(ctx, pressButton(1))
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestOpenRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	_, err := Open(t.Context(), ":65000", "", 640, 480, log)
	require.ErrorContains(t, err, "is it running?")
	_, err = Open(t.Context(), ":0", "", 0, 480, log)
	require.ErrorContains(t, err, "0x480")
}
