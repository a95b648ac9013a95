package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/process/confine"
)

// confined is what `streamstack confined` is.
func confined() {
	status, err := confine.Run(os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// inside tells what an application can reach: the listeners that its environment names, the instance's own sockets, a listener of its
// own, and the processes that it sees.
func inside() {
	try := func(what, network, address string) {
		conn, err := net.Dial(network, address)
		if err == nil {
			_ = conn.Close()
		}
		fmt.Printf("%s: %t\n", what, err == nil)
	}
	try("loopback", "tcp", os.Getenv("TCP"))
	try("abstract", "unix", os.Getenv("ABSTRACT"))
	try("display", "unix", displaySocket(displayOf(os.Getenv("DISPLAY"))))
	try("sound", "unix", strings.TrimPrefix(os.Getenv("PULSE_SERVER"), "unix:"))
	if own, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		try("own", "tcp", own.Addr().String())
	}
	interfaces, _ := net.Interfaces()
	fmt.Println("interfaces:", len(interfaces))
	seen, _ := filepath.Glob("/proc/[0-9]*")
	fmt.Println("processes:", len(seen))
	err := exec.Command("mount", "-t", "tmpfs", "none", "/mnt").Run()
	fmt.Println("may mount:", err == nil)
	fmt.Println("end")
	waitForTerm()
}

func displayOf(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, ":"))
	return n
}

// isolated is a driver whose applications have namespaces of their own; nil where this machine allows none, which is then said.
func isolated(t *testing.T) *Driver {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	d, err := New(Config{Data: t.TempDir(), Self: self, Streamer: []string{self, "role:sleep"}, Confine: []string{self, "role:confined"}})
	require.NoError(t, err)
	t.Cleanup(func() { closeDriver(t, d) })
	if err := d.Check(t.Context()); err != nil {
		require.ErrorContains(t, err, "applications cannot have namespaces of their own here")
		t.Log(err)
		return nil
	}
	return d
}

// An application in namespaces of its own has display and sound, a loopback of its own, and nothing else: no listener of the host, no
// socket without a file, no other process to see, no capability. The session is as any other.
func TestAnIsolatedApplication(t *testing.T) {
	d := isolated(t)
	if d == nil {
		return
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = tcp.Close() })
	name := "@" + t.TempDir()
	abstract, err := net.Listen("unix", name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = abstract.Close() })
	a := app("streamstack", "role:inside")
	a.Env = map[string]string{"TCP": tcp.Addr().String(), "ABSTRACT": name}
	report := func(d *Driver) string {
		in := launch(t, d, spec(a))
		eventually(t, func() string {
			if !strings.Contains(readLog(t, in, "application"), "\nend\n") {
				return "the application's report; so far: " + readLog(t, in, "application")
			}
			return ""
		})
		log := readLog(t, in, "application")
		require.NoError(t, in.Stop(t.Context()))
		requireNothingLeft(t, d)
		return log
	}
	in := report(d)
	require.True(t, strings.HasPrefix(in, "loopback: false\nabstract: false\ndisplay: true\nsound: true\nown: true\ninterfaces: 1\nprocesses: 2\nmay mount: false\n"), in)
	out := report(newDriver(t, "role:sleep"))
	require.True(t, strings.HasPrefix(out, "loopback: true\nabstract: true\ndisplay: true\nsound: true\nown: true\n"), "what is looked at is there: %s", out)
}

// A real program shows its window, and what it leaves behind ends with it.
func TestIsolatedInstancesEndAsOthersDo(t *testing.T) {
	d := isolated(t)
	if d == nil {
		return
	}
	in := launch(t, d, spec(app("xterm")))
	conn := dial(t, in)
	eventually(t, func() string {
		if got := topLevels(t, conn); !slices.Equal(got, []string{"640x360+0+0"}) {
			return fmt.Sprintf("xterm's window; there is %v; it says: %s", got, readLog(t, in, "application"))
		}
		return ""
	})
	require.NoError(t, in.Stop(t.Context()))
	requireNothingLeft(t, d)

	stubborn := launch(t, d, spec(app("streamstack", "role:daemon")))
	eventually(t, func() string {
		if !strings.Contains(readLog(t, stubborn, "application"), "stubborn") {
			return "the grandchild"
		}
		return ""
	})
	require.NoError(t, stubborn.Stop(t.Context()))
	requireNothingLeft(t, d)

	e := waitEnd(t, launch(t, d, spec(app("streamstack", "role:crash"))))
	require.Equal(t, 3, e.ExitCode)
	require.Contains(t, e.LogTail, "the disk is on fire")
	e = waitEnd(t, launch(t, d, spec(app("sh", "-c", "kill -SEGV $$"))))
	require.Equal(t, -1, e.ExitCode)
	require.Contains(t, e.Reason, "the application was ended by signal 11 (segmentation fault) after ")
	require.False(t, waitEnd(t, launch(t, d, spec(app("streamstack", "role:quit")))).Failed)
	requireNothingLeft(t, d)

	shares := app("streamstack", "role:sleep")
	shares.ADB = application.ADB{Port: 5555}
	_, err := d.Launch(t.Context(), spec(shares))
	require.True(t, errors.Is(err, driver.ErrMissing), err)
	require.ErrorContains(t, err, "without --isolate")
}
