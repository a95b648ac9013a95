package kiosk

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"github.com/stretchr/testify/require"
)

// xorg starts a real X server with the dummy driver, and gives its socket and cookie.
func xorg(t *testing.T) (string, []byte) {
	t.Helper()
	folder, err := os.MkdirTemp("", "kiosk-") //nolint:usetesting // a socket's path has at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	cookie := []byte("0123456789abcdef")
	authority := []byte{0xff, 0xff, 0, 0, 0, 0}
	for _, field := range [][]byte{[]byte("MIT-MAGIC-COOKIE-1"), cookie} {
		authority = append(binary.BigEndian.AppendUint16(authority, uint16(len(field))), field...)
	}
	conf := write("xorg.conf", []byte(`
Section "ServerFlags"
	Option "AutoAddDevices" "false"
	Option "AutoAddGPU" "false"
EndSection
Section "Device"
	Identifier "d"
	Driver "dummy"
	VideoRam 64000
EndSection
Section "Monitor"
	Identifier "m"
	HorizSync 1-2000
	VertRefresh 1-1000
EndSection
Section "Screen"
	Identifier "s"
	Device "d"
	Monitor "m"
	DefaultDepth 24
	SubSection "Display"
		Modes "800x600" "640x480"
	EndSubSection
EndSection
`))
	ready, told, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = ready.Close() }()
	server := "/usr/lib/xorg/Xorg"
	if _, err := os.Stat(server); err != nil {
		server = "Xorg"
	}
	display := fmt.Sprint(60000 - os.Getpid()%1000 - 1000)
	cmd := exec.Command(server, ":"+display, "-config", conf, "-configdir", folder, "-auth", write("auth", authority), "-displayfd", "3",
		"-noreset", "-novtswitch", "-sharevts", "-nolisten", "tcp", "-logfile", "/dev/null")
	cmd.ExtraFiles = []*os.File{told}
	require.NoError(t, cmd.Start())
	_ = told.Close()
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	line, err := bufio.NewReader(ready).ReadString('\n')
	require.NoError(t, err, "the X server did not start")
	require.Equal(t, display, strings.TrimSpace(line))
	return "/tmp/.X11-unix/X" + display, cookie
}

// desk is a display with a kiosk on it and a client.
type desk struct {
	t      *testing.T
	client *xgb.Conn
	root   xproto.Window
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	socket, cookie := xorg(t)
	log := slog.New(slog.DiscardHandler)
	manager, err := Connect(t.Context(), socket, cookie, log)
	require.NoError(t, err)
	_, err = Connect(t.Context(), socket, cookie, log)
	require.ErrorContains(t, err, "another window manager")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	client, closer, err := Dial(t.Context(), socket, cookie)
	require.NoError(t, err)
	t.Cleanup(func() { _ = closer.Close() })
	require.NoError(t, xtest.Init(client))
	require.NoError(t, randr.Init(client))
	return &desk{t, client, xproto.Setup(client).DefaultScreen(client).Root}
}

// open maps a window of 200x100 at 10,20 after prepare has set its properties.
func (d *desk) open(prepare func(xproto.Window)) xproto.Window {
	d.t.Helper()
	id, err := xproto.NewWindowId(d.client)
	require.NoError(d.t, err)
	screen := xproto.Setup(d.client).DefaultScreen(d.client)
	require.NoError(d.t, xproto.CreateWindowChecked(d.client, screen.RootDepth, id, d.root, 10, 20, 200, 100, 3,
		xproto.WindowClassInputOutput, screen.RootVisual, 0, nil).Check())
	if prepare != nil {
		prepare(id)
	}
	require.NoError(d.t, xproto.MapWindowChecked(d.client, id).Check())
	return id
}

func (d *desk) words(id xproto.Window, name, kind xproto.Atom, values ...uint32) {
	data := make([]byte, 4*len(values))
	for i, v := range values {
		xgb.Put32(data[4*i:], v)
	}
	require.NoError(d.t, xproto.ChangePropertyChecked(d.client, xproto.PropModeReplace, id, name, kind, 32, uint32(len(values)), data).Check())
}

// shows waits until a window is viewable with this geometry.
func (d *desk) shows(id xproto.Window, want string) {
	d.t.Helper()
	d.eventually(func() string {
		attributes, err := xproto.GetWindowAttributes(d.client, id).Reply()
		require.NoError(d.t, err)
		g, err := xproto.GetGeometry(d.client, xproto.Drawable(id)).Reply()
		require.NoError(d.t, err)
		got := fmt.Sprintf("%dx%d%+d%+d", g.Width, g.Height, g.X, g.Y)
		if attributes.MapState != xproto.MapStateViewable || got != want || g.BorderWidth != 0 {
			return fmt.Sprintf("window %s; it is %s, map state %d", want, got, attributes.MapState)
		}
		return ""
	})
}

func (d *desk) focused(id xproto.Window) {
	d.t.Helper()
	d.eventually(func() string {
		got, err := xproto.GetInputFocus(d.client).Reply()
		require.NoError(d.t, err)
		if got.Focus != id {
			return fmt.Sprintf("the keyboard at window %d; it is at %d", id, got.Focus)
		}
		return ""
	})
}

func (d *desk) eventually(missing func() string) {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		what := missing()
		if what == "" {
			return
		}
		require.True(d.t, time.Now().Before(deadline), "still missing: %s", what)
	}
}

func (d *desk) click(x, y int16) {
	d.t.Helper()
	for _, event := range []byte{xproto.MotionNotify, xproto.ButtonPress, xproto.ButtonRelease} {
		detail := byte(1)
		if event == xproto.MotionNotify {
			detail = 0
		}
		require.NoError(d.t, xtest.FakeInputChecked(d.client, event, detail, 0, d.root, x, y, 0).Check())
	}
}

func TestTopLevelsFillTheScreenAndTheNewestHasTheKeyboard(t *testing.T) {
	d := newDesk(t)
	first := d.open(nil)
	d.shows(first, "800x600+0+0")
	d.focused(first)
	second := d.open(nil)
	d.shows(second, "800x600+0+0")
	d.focused(second)
	xproto.ConfigureWindow(d.client, second, xproto.ConfigWindowWidth|xproto.ConfigWindowX, []uint32{5, 300})
	d.shows(second, "800x600+0+0")
	require.NoError(t, xproto.DestroyWindowChecked(d.client, second).Check())
	d.focused(first)
	require.NoError(t, xproto.UnmapWindowChecked(d.client, first).Check())
	d.focused(xproto.InputFocusPointerRoot)
}

func TestDialogsAreCentredAndAClickMovesTheKeyboard(t *testing.T) {
	d := newDesk(t)
	main := d.open(nil)
	d.focused(main)
	dialog := d.open(func(id xproto.Window) { d.words(id, xproto.AtomWmTransientFor, xproto.AtomWindow, uint32(main)) })
	d.shows(dialog, "200x100+300+250")
	d.focused(dialog)
	require.NoError(t, xproto.ChangeWindowAttributesChecked(d.client, main, xproto.CwEventMask, []uint32{xproto.EventMaskButtonPress}).Check())
	d.click(20, 30)
	d.focused(main)
	event, xerr := d.client.WaitForEvent()
	require.Nil(t, xerr)
	press, ok := event.(xproto.ButtonPressEvent)
	require.True(t, ok, "the click reaches the application: %v", event)
	require.Equal(t, [2]int16{20, 30}, [2]int16{press.EventX, press.EventY})
	d.click(400, 300)
	d.focused(dialog)
	d.shows(dialog, "200x100+300+250")

	fixed := d.open(func(id xproto.Window) {
		hints := make([]uint32, 18)
		hints[0] = 1<<4 | 1<<5
		hints[5], hints[6], hints[7], hints[8] = 200, 100, 200, 100
		d.words(id, xproto.AtomWmNormalHints, xproto.AtomWmSizeHints, hints...)
	})
	d.shows(fixed, "200x100+300+250")
}

func TestMenusAreLeftAlone(t *testing.T) {
	d := newDesk(t)
	menu := d.open(func(id xproto.Window) {
		xproto.ChangeWindowAttributes(d.client, id, xproto.CwOverrideRedirect, []uint32{1})
		xproto.ConfigureWindow(d.client, id, xproto.ConfigWindowBorderWidth, []uint32{0})
	})
	d.shows(menu, "200x100+10+20")
}

func TestWindowsFollowTheScreen(t *testing.T) {
	d := newDesk(t)
	main := d.open(nil)
	d.shows(main, "800x600+0+0")
	dialog := d.open(func(id xproto.Window) { d.words(id, xproto.AtomWmTransientFor, xproto.AtomWindow, uint32(main)) })
	resources, err := randr.GetScreenResources(d.client, d.root).Reply()
	require.NoError(t, err)
	var mode randr.Mode
	for _, m := range resources.Modes {
		if m.Width == 640 && m.Height == 480 {
			mode = randr.Mode(m.Id)
		}
	}
	set := func(mode randr.Mode, outputs []randr.Output) {
		_, err := randr.SetCrtcConfig(d.client, resources.Crtcs[0], xproto.TimeCurrentTime, resources.ConfigTimestamp, 0, 0, mode, randr.RotationRotate0, outputs).Reply()
		require.NoError(t, err)
	}
	set(0, nil)
	require.NoError(t, randr.SetScreenSizeChecked(d.client, d.root, 640, 480, 169, 127).Check())
	set(mode, resources.Outputs[:1])
	d.shows(main, "640x480+0+0")
	d.shows(dialog, "200x100+220+190")
}

func TestAWrongCookieIsRefused(t *testing.T) {
	socket, _ := xorg(t)
	_, _, err := Dial(t.Context(), socket, []byte("fedcba9876543210"))
	require.ErrorContains(t, err, "refused")
}
