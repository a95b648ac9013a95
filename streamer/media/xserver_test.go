package media_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"
)

// xserver is a real Xorg with the dummy driver on a display of its own.
type xserver struct {
	display string
	process *os.Process
	exited  chan struct{}
}

const xorgConfig = `
Section "Device"
	Identifier "card"
	Driver "dummy"
	VideoRam 65536
EndSection
Section "Monitor"
	Identifier "monitor"
	HorizSync 5-1000
	VertRefresh 5-2000
	Modeline "%[1]dx%[2]d" 100 %[1]d %[3]d %[4]d %[5]d %[2]d %[6]d %[7]d %[8]d
EndSection
Section "Screen"
	Identifier "screen"
	Device "card"
	Monitor "monitor"
	DefaultDepth 24
	SubSection "Display"
		Depth 24
		Modes "%[1]dx%[2]d"
		Virtual %[1]d %[2]d
	EndSubSection
EndSection
Section "ServerFlags"
	Option "AutoAddDevices" "false"
	Option "BlankTime" "0"
EndSection
`

// startX starts an X server of the given size, which ends with the test.
func startX(t testing.TB, width, height int) *xserver {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "xorg.conf")
	logFile := filepath.Join(dir, "xorg.log")
	text := fmt.Sprintf(xorgConfig, width, height, width+8, width+16, width+32, height+2, height+4, height+8)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))

	read, write, err := os.Pipe()
	require.NoError(t, err)
	command := exec.Command("/usr/lib/xorg/Xorg", "-displayfd", "3", "-config", config, "-noreset", "-novtswitch", "-sharevts",
		"-nolisten", "tcp", "-ac", "-logfile", logFile)
	command.ExtraFiles = []*os.File{write}
	require.NoError(t, command.Start())
	require.NoError(t, write.Close())
	x := &xserver{process: command.Process, exited: make(chan struct{})}
	go func() {
		defer close(x.exited)
		_ = command.Wait() // killed by the test
	}()
	t.Cleanup(func() { x.kill(t) })

	require.NoError(t, read.SetReadDeadline(time.Now().Add(20*time.Second)))
	number, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, read.Close())
	if err != nil {
		output, _ := os.ReadFile(logFile)
		t.Fatalf("Xorg did not start: %v\n%s", err, output)
	}
	x.display = ":" + strings.TrimSpace(number)
	return x
}

func (x *xserver) kill(t testing.TB) {
	t.Helper()
	_ = x.process.Signal(syscall.SIGKILL) // it may be gone already
	select {
	case <-x.exited:
	case <-time.After(30 * time.Second):
		t.Error("Xorg did not end")
	}
	if x.display == "" {
		return // it never got one
	}
	lock := "/tmp/.X" + x.display[1:] + "-lock"
	if pid, err := os.ReadFile(lock); err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(x.process.Pid) {
		return // they are another server's by now, which a test beside this one has
	}
	_ = os.Remove(lock) // a killed server leaves them
	_ = os.Remove("/tmp/.X11-unix/X" + x.display[1:])
}

// screen is a client that paints.
type screen struct {
	conn *xgb.Conn
	info *xproto.ScreenInfo
}

func (x *xserver) connect(t testing.TB) screen {
	t.Helper()
	conn, err := xgb.NewConnDisplay(x.display)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return screen{conn: conn, info: xproto.Setup(conn).DefaultScreen(conn)}
}

// fill paints the whole root window in one colour, 0xRRGGBB.
func (s screen) fill(t testing.TB, colour uint32) {
	t.Helper()
	require.NoError(t, xproto.ChangeWindowAttributesChecked(s.conn, s.info.Root, xproto.CwBackPixel, []uint32{colour}).Check())
	require.NoError(t, xproto.ClearAreaChecked(s.conn, false, s.info.Root, 0, 0, 0, 0).Check())
}

// noise repaints the root window with noise until the test ends, which no encoder can compress.
func (s screen) noise(t testing.TB) {
	t.Helper()
	gc, err := xproto.NewGcontextId(s.conn)
	require.NoError(t, err)
	require.NoError(t, xproto.CreateGCChecked(s.conn, gc, xproto.Drawable(s.info.Root), 0, nil).Check())
	width, height := s.info.WidthInPixels, s.info.HeightInPixels
	const rows = 16 // a request holds at most 256 KiB
	pixels := make([]byte, int(width)*rows*4)
	painted := make(chan struct{})
	ticker := time.NewTicker(15 * time.Millisecond)
	go func() {
		defer close(painted)
		defer ticker.Stop()
		for range ticker.C {
			for y := uint16(0); y+rows <= height; y += rows {
				for i := range pixels {
					pixels[i] = byte(rand.Uint32())
				}
				if xproto.PutImageChecked(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.info.Root), gc,
					width, rows, 0, int16(y), 0, s.info.RootDepth, pixels).Check() != nil {
					return // the connection was closed by the clean-up below
				}
			}
		}
	}()
	t.Cleanup(func() {
		s.conn.Close()
		<-painted
	})
}

// shrink makes the screen smaller than it was, by switching its only monitor off.
func (s screen) shrink(t testing.TB, width, height uint16) {
	t.Helper()
	require.NoError(t, randr.Init(s.conn))
	resources, err := randr.GetScreenResources(s.conn, s.info.Root).Reply()
	require.NoError(t, err)
	for _, crtc := range resources.Crtcs {
		_, err := randr.SetCrtcConfig(s.conn, crtc, 0, resources.ConfigTimestamp, 0, 0, 0, randr.RotationRotate0, nil).Reply()
		require.NoError(t, err)
	}
	require.NoError(t, randr.SetScreenSizeChecked(s.conn, s.info.Root, width, height, 100, 100).Check())
}
