// Package xorgtest starts real X servers for tests: Xorg with the dummy driver and evdev key codes, as the process driver runs it.
package xorgtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startLimit and stopLimit bound a server's start and end; both take a fraction of a second on a machine at rest.
const (
	startLimit = 20 * time.Second
	stopLimit  = 5 * time.Second
)

// config has the touch screen and the mouse that instances have (inputtest(4)); XTEST brings devices of its own. The keyboard's driver
// does not exist, on purpose: with none named, Xorg would look for the machine's own.
const config = `
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
EndSection
Section "Device"
  Identifier "device"
  Driver "dummy"
  VideoRam 65536
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 1-1000
  VertRefresh 1-1000
  Modeline "start" 60 %[1]d %[2]d %[3]d %[4]d %[5]d %[6]d %[7]d %[8]d
EndSection
Section "Screen"
  Identifier "screen"
  Device "device"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "start"
    Virtual 2560 1600
  EndSubSection
EndSection
Section "InputDevice"
  Identifier "no keyboard"
  Driver "void"
EndSection
Section "InputDevice"
  Identifier "streamstack mouse"
  Driver "inputtest"
  Option "SocketPath" "%[9]s/mouse"
  Option "DeviceType" "Pointer"
  Option "PointerButtonCount" "10"
  Option "AccelerationScheme" "none"
EndSection
Section "InputDevice"
  Identifier "streamstack touch"
  Driver "inputtest"
  Option "SocketPath" "%[9]s/touch"
  Option "DeviceType" "Touch"
  Option "TouchCount" "10"
EndSection
Section "ServerLayout"
  Identifier "layout"
  Screen "screen"
  InputDevice "no keyboard" "CoreKeyboard"
  InputDevice "streamstack mouse" "CorePointer"
  InputDevice "streamstack touch" "SendCoreEvents"
EndSection
`

// Server is a running X server.
type Server struct {
	// Display is its name, such as ":7".
	Display string
	// Folder has the sockets "mouse" and "touch" of its inputtest devices.
	Folder string
	// Process is the server itself, for tests that stop or kill it.
	Process *os.Process
}

// Start starts an X server with a screen of the given size in pixels and ends it with the test. It needs Xorg, its dummy driver and
// setxkbmap (Debian: xserver-xorg-core, xserver-xorg-video-dummy, x11-xkb-utils).
func Start(t testing.TB, width, height int) *Server {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "xorg.conf")
	content := fmt.Sprintf(config, width, width+8, width+16, width+32, height, height+3, height+6, height+9, dir)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	logPath := filepath.Join(dir, "xorg.log")
	cmd := exec.Command("Xorg", "-displayfd", "3", "-config", path, "-logfile", logPath,
		"-noreset", "-novtswitch", "-sharevts", "-nolisten", "tcp", "-ac")
	cmd.ExtraFiles = []*os.File{write}
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // the status after a signal tells nothing
	}()
	t.Cleanup(func() { stop(t, cmd.Process, exited) })
	require.NoError(t, write.Close())
	require.NoError(t, read.SetReadDeadline(time.Now().Add(startLimit)))
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		log, _ := os.ReadFile(logPath) // a hint only
		t.Fatalf("Xorg did not start: %v\n%s", err, log)
	}
	require.NoError(t, read.Close())
	server := &Server{Display: ":" + strings.TrimSpace(number), Process: cmd.Process, Folder: dir}
	// Without input devices the server starts with the key codes of the XFree86 of old.
	server.SetLayout(t, "us")
	return server
}

// stop ends the server, by force if it must.
func stop(t testing.TB, process *os.Process, exited <-chan struct{}) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		if err := process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("ending Xorg: %v", err)
		}
		_ = process.Signal(syscall.SIGCONT) // a test may have stopped it; it may also be gone
		select {
		case <-exited:
			return
		case <-time.After(stopLimit):
		}
	}
	t.Errorf("Xorg %d does not end", process.Pid)
}

// SetLayout changes the keyboard's layout, such as "de".
func (s *Server) SetLayout(t testing.TB, layout string) {
	t.Helper()
	out, err := exec.Command("setxkbmap", "-display", s.Display, "-rules", "evdev", "-model", "pc105", "-layout", layout).CombinedOutput()
	require.NoError(t, err, string(out))
}
