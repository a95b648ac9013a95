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
// own, the processes that it sees, and files.
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
	read := func(what, path string) {
		text, err := os.ReadFile(path)
		fmt.Printf("%s: %t\n", what, err == nil && len(text) > 0)
	}
	read("user data", os.Getenv("STREAMSTACK_USER_DATA"))
	read("cookie", os.Getenv("XAUTHORITY"))
	read("credentials", os.Getenv("CREDENTIALS"))
	read("state from here", "../state.json")
	read("credentials elsewhere", os.Getenv("ELSEWHERE"))
	others, _ := filepath.Glob(filepath.Join(filepath.Dir(os.Getenv("XDG_RUNTIME_DIR")), "streamstack-*", "xauthority"))
	displays, _ := filepath.Glob("/tmp/.X11-unix/X1*")
	homes, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), "../../*/home"))
	fmt.Println("others:", len(others) > 1, len(displays) > 1, len(homes) > 1)
	temporary, err := os.CreateTemp("", "own-")
	if err == nil {
		_ = os.Remove(temporary.Name())
	}
	fmt.Println("may write:", errors.Join(err, os.WriteFile(filepath.Join(os.Getenv("HOME"), "own"), nil, 0o600)) == nil)
	fmt.Println("end")
	waitForTerm()
}

func displayOf(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, ":"))
	return n
}

// apart is a folder that is not where temporary files are.
func apart(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/var/tmp", "streamstack-test-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// isolated is a driver whose applications have namespaces of their own, and see nothing of what is hidden; nil where this machine allows
// none, which is then said.
func isolated(t *testing.T, hide ...string) *Driver {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	d, err := New(Config{Data: apart(t), Self: self, Streamer: []string{self, "role:sleep"}, Confine: []string{self, "role:confined"}, Hide: hide})
	require.NoError(t, err)
	t.Cleanup(func() { closeDriver(t, d) })
	probe := exec.Command("true")
	probe.SysProcAttr = confine.Attributes()
	if err := d.Check(t.Context()); err != nil {
		require.ErrorContains(t, err, "applications cannot have namespaces of their own here")
		if probe.Run() == nil { // where they can be had, only a masked /proc is in the way
			require.ErrorContains(t, err, "a /proc of its own")
		}
		t.Log(err)
		return nil
	}
	return d
}

// An application in namespaces of its own has display and sound, a loopback of its own, and nothing else: no listener of the host, no
// socket without a file, no other process to see, no capability, none of the agent's credentials and nothing of another session. The
// session is as any other.
func TestAnIsolatedApplication(t *testing.T) {
	creds := filepath.Join(apart(t), "agent.creds")
	require.NoError(t, os.WriteFile(creds, []byte("secret"), 0o600))
	d := isolated(t, creds)
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
	report := func(d *Driver) string {
		require.NoError(t, os.WriteFile(filepath.Join(d.config.Data, "secret"), []byte("secret"), 0o600))
		a.Env = map[string]string{"TCP": tcp.Addr().String(), "ABSTRACT": name, "CREDENTIALS": filepath.Join(d.config.Data, "secret"), "ELSEWHERE": creds}
		other := launch(t, d, spec(app("streamstack", "role:sleep")))
		s := spec(a)
		s.UserData = []byte(`{"user":"kim"}`)
		in := launch(t, d, s)
		eventually(t, func() string {
			if !strings.Contains(readLog(t, in, "application"), "\nend\n") {
				return "the application's report; so far: " + readLog(t, in, "application")
			}
			return ""
		})
		log := readLog(t, in, "application")
		require.NoError(t, errors.Join(in.Stop(t.Context()), other.Stop(t.Context())))
		requireNothingLeft(t, d)
		return log
	}
	in := report(d)
	require.True(t, strings.HasPrefix(in, "loopback: false\nabstract: false\ndisplay: true\nsound: true\nown: true\ninterfaces: 1\nprocesses: 2\nmay mount: false\n"+
		"user data: true\ncookie: true\ncredentials: false\nstate from here: false\ncredentials elsewhere: false\nothers: false false false\nmay write: true\n"), in)
	out := report(newDriver(t, "role:sleep"))
	require.True(t, strings.HasPrefix(out, "loopback: true\nabstract: true\ndisplay: true\nsound: true\nown: true\n"), "what is looked at is there: %s", out)
	require.Contains(t, out, "\ncredentials: true\nstate from here: true\ncredentials elsewhere: true\nothers: true true true\nmay write: true\n")
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
