package process

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"streamstack/agent/driver"
)

//go:embed xorg.conf.tmpl
var xorgConf string

var xorgTemplate = template.Must(template.New("xorg.conf").Parse(xorgConf))

// videoRAM in KiB holds MaxPixels at 4 bytes each, and more: the driver allocates it lazily.
const videoRAM = 64 * 1024

// startDisplay starts an Xorg of the session's size and returns once clients can connect.
//
// The files it needs are in the runtime folder: the X authority, a configuration that touches no device of the host
// (a keyboard at the machine must not type into sessions), and a keyboard database.
func (in *instance) startDisplay(ctx context.Context) error {
	width, height := displaySize(in.spec.Screen.Width, in.spec.Screen.Height)
	xorg, err := findXorg()
	if err != nil {
		return err
	}
	authority := in.runtimeFile("xauthority")
	if err := writeAuthority(authority, in.cookie); err != nil {
		return err
	}
	conf := in.runtimeFile("xorg.conf")
	if err := writeXorgConf(conf, in.inputFolder(), width, height, in.spec.Screen.FPS); err != nil {
		return err
	}
	if err := os.Mkdir(in.inputFolder(), 0o700); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	keyboard := in.runtimeFile("xkb")
	if err := linkKeyboardDatabase(keyboard); err != nil {
		return err
	}
	empty := in.runtimeFile("xorg.conf.d")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	ready, writeEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	defer func() { _ = ready.Close() }() // read to its end
	x, err := in.start(command{
		part: driver.PartDisplay,
		argv: []string{xorg,
			":" + strconv.Itoa(in.display),
			"-displayfd", "3", // tells when clients can connect
			"-config", conf, "-configdir", empty, "-auth", authority, "-xkbdir", keyboard,
			"-logfile", "/dev/null", "-verbose", "1", // standard error is the log
			// -noreset: without it Xorg with the dummy driver aborts once its last client has gone (measured).
			"-noreset", "-novtswitch", "-sharevts", "-nolisten", "tcp", "-dpi", "96"},
		env:   in.environment(),
		log:   in.logFile("x"),
		extra: []*os.File{writeEnd},
	})
	_ = writeEnd.Close() // the child has its own: its end is then ours to see
	if err != nil {
		return err
	}
	// Closing would race with the reading; a deadline in the past ends it.
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })()
	told, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil {
		return notReady(ctx, x)
	}
	if number := strings.TrimSpace(told); number != strconv.Itoa(in.display) {
		return fmt.Errorf("process: the X server took display %s instead of %d; another program interferes", number, in.display)
	}
	return nil
}

// notReady is the error of a part that ended or was waited for too long before it was ready.
func notReady(ctx context.Context, c *child) error {
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	if c.hasEnded() {
		return fmt.Errorf("process: did not start: %s", c.ending().Reason)
	}
	return fmt.Errorf("process: %s was not ready in time: %w", titles[c.part], context.Cause(ctx))
}

func writeXorgConf(path, input string, width, height, fps int) error {
	var b strings.Builder
	if err := xorgTemplate.Execute(&b, map[string]any{"VideoRAM": videoRAM, "Modeline": modeline(width, height, fps), "Input": input}); err != nil {
		return fmt.Errorf("process: xorg.conf: %w", err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("process: xorg.conf: %w", err)
	}
	return nil
}

// xkbData is the keyboard database of the system (xkb-data).
const xkbData = "/usr/share/X11/xkb"

// linkKeyboardDatabase makes a keyboard database in which the server's default rules, "base", are "evdev", so that
// XTEST's key codes are those of the Linux kernel plus 8 (Up is 111, not 98). Xorg has no option for the rules of its
// XTEST keyboard, and setxkbmap after the start would cost time and change the map under early clients.
func linkKeyboardDatabase(folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "rules"), 0o700); err != nil {
		return fmt.Errorf("process: keyboard database: %w", err)
	}
	links := map[string]string{"rules/base": "rules/evdev", "rules/evdev": "rules/evdev"}
	for _, name := range []string{"compat", "geometry", "keycodes", "symbols", "types"} {
		links[name] = name
	}
	for name, target := range links {
		if err := os.Symlink(filepath.Join(xkbData, target), filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("process: keyboard database: %w", err)
		}
	}
	return nil
}

// displaySocket is where an X server listens. Started with -displayfd, it makes no lock file.
func displaySocket(display int) string { return "/tmp/.X11-unix/X" + strconv.Itoa(display) }

// Display numbers are taken from here: above those that people and login managers use; 59535 is the last whose TCP port
// would exist.
const firstDisplay, lastDisplay = 1000, 59535

// pickDisplay chooses a number that nobody uses.
//
// We do, and not the server by -displayfd alone: it takes the first number whose abstract socket is free, and when that
// belonged to a server that is just ending, the latter removes the new one's socket file (seen in tests). A random
// number is not used again so soon.
func pickDisplay() (int, error) {
	const tries = 100
	for range tries {
		n, err := rand.Int(rand.Reader, big.NewInt(lastDisplay-firstDisplay+1))
		if err != nil {
			return 0, fmt.Errorf("process: %w", err)
		}
		display := firstDisplay + int(n.Int64())
		if _, err := os.Lstat(displaySocket(display)); errors.Is(err, os.ErrNotExist) {
			return display, nil
		}
	}
	return 0, errors.New("process: no free display number; remove the stale sockets in /tmp/.X11-unix")
}

// removeDisplaySocket removes the socket that a killed X server left. Nobody listens there any more, once the last of its
// threads is gone; should another server have got the same number, somebody still does after a while.
func removeDisplaySocket(display int) error {
	const while = 500 * time.Millisecond
	for deadline := time.Now().Add(while); time.Now().Before(deadline); time.Sleep(poll) {
		conn, err := net.DialTimeout("unix", displaySocket(display), while) //nolint:noctx // part of an ending, which no context cuts short
		switch {
		case err == nil:
			_ = conn.Close() // it was only to see
			continue
		case !errors.Is(err, syscall.ECONNREFUSED):
			return nil // there is none
		}
		if err := os.Remove(displaySocket(display)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("process: %w", err)
		}
		return nil
	}
	return nil
}
