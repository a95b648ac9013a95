package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/process/kiosk"
)

// roles are what the test binary does as a child: streamers, applications and agents of the tests.
var roles = map[string]func(){
	// sleep waits for SIGTERM.
	"role:sleep": waitForTerm,
	// stubborn does not listen to SIGTERM.
	"role:stubborn": func() { signal.Ignore(syscall.SIGTERM); fmt.Println("stubborn"); select {} },
	// crash says why and exits with status 3.
	"role:crash": func() { fmt.Println("\x1b[31mthe disk is on fire\x1b[0m"); os.Exit(3) },
	"role:quit":  func() { fmt.Println("done") },
	// environment tells what it sees.
	"role:environment": func() {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		data, _ := os.ReadFile(os.Getenv("STREAMSTACK_USER_DATA"))
		fmt.Printf("user data: %s\nend\n", data)
		waitForTerm()
	},
	// streamer tells the size of its secret.
	"role:streamer": func() {
		secret, _ := io.ReadAll(os.Stdin)
		fmt.Printf("secret of %d bytes\n", len(secret))
		waitForTerm()
	},
	// daemon leaves a grandchild in a session of its own whose parent is gone, and that ignores SIGTERM.
	"role:daemon": func() { fork("role:between"); waitForTerm() },
	"role:between": func() {
		fork("role:stubborn")
		fmt.Println("grandchild started")
	},
	"role:spam": func() {
		line := strings.Repeat("x", 1023) + "\n"
		for range 5 << 10 {
			fmt.Print(line)
		}
		// Again and again: a line written while the log is being cut may be lost.
		for {
			fmt.Println("the last line")
			time.Sleep(50 * time.Millisecond)
		}
	},
	"role:eat": eat, "role:escape": escape, "role:escape-between": escape,
	"role:confined": confined, "role:inside": inside,
	// warm speaks as a streamer does that waits for its session.
	"role:warm": warmStreamer,
}

// agents are the roles that run a driver, or what it has, and so need a context.
var agents = map[string]func(context.Context){
	"role:agent":       agent,
	"role:agent-warm":  agentWarm,
	"role:agent-midst": agentMidst,
	// held is a streamer that is let go by nobody.
	"role:held": heldStreamer,
}

func waitForTerm() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("waiting")
	<-term
}

func fork(role string) {
	cmd := exec.Command(os.Args[0], role)
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if role == "role:between" {
		_ = cmd.Wait()
	}
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		roles[os.Args[1]]()
		return
	}
	if len(os.Args) > 1 && agents[os.Args[1]] != nil {
		agents[os.Args[1]](context.Background()) // this is the child's main
		return
	}
	os.Exit(m.Run())
}

// eventually polls until nothing is missing.
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		what := missing()
		if what == "" {
			return
		}
		require.True(t, time.Now().Before(deadline), "still missing: %s", what)
	}
}

func newDriver(t *testing.T, streamer string) *Driver {
	t.Helper()
	return newDriverIn(t, t.TempDir(), streamer)
}

func newDriverIn(t *testing.T, data, streamer string) *Driver {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	d, err := New(Config{Data: data, Self: self, Streamer: []string{self, streamer}})
	require.NoError(t, err)
	t.Cleanup(func() { closeDriver(t, d) })
	return d
}

// closeDriver stops all and sees that nothing is left.
func closeDriver(t *testing.T, d *Driver) {
	t.Helper()
	for _, in := range instancesOf(d) {
		in.RequestStop()
	}
	eventually(t, func() string {
		if n := len(instancesOf(d)); n > 0 {
			return fmt.Sprintf("%d instances to end", n)
		}
		return ""
	})
	requireNothingLeft(t, d)
}

func instancesOf(d *Driver) []*instance {
	return d.live.All()
}

// residents lists the processes whose environment names the data folder: every part has its HOME there. It is
// deliberately not how the driver finds them.
func residents(t *testing.T, data string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	var found []string
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err == nil && bytes.Contains(environ, []byte("HOME="+data+"/")) {
			comm, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm"))
			found = append(found, filepath.Base(filepath.Dir(path))+" "+strings.TrimSpace(string(comm)))
		}
	}
	return found
}

// requireResidents waits for a number of processes, since one that ends takes its time.
func requireResidents(t *testing.T, data string, n int, why ...string) {
	t.Helper()
	eventually(t, func() string {
		if found := residents(t, data); len(found) != n {
			return fmt.Sprintf("%d processes %v; there are %v", n, why, found)
		}
		return ""
	})
}

func requireNothingLeft(t *testing.T, d *Driver) {
	t.Helper()
	require.Empty(t, residents(t, d.config.Data), "processes")
	states, err := filepath.Glob(filepath.Join(d.instances, "*", stateFile))
	require.NoError(t, err)
	require.Empty(t, states)
}

func requireDisplayGone(t *testing.T, display int) {
	t.Helper()
	require.NotZero(t, display)
	require.NoFileExists(t, displaySocket(display))
}

func app(command ...string) application.Application {
	return application.Application{Name: "test", Version: 1, Command: command, Env: map[string]string{"COLOUR": "red; rm -rf $HOME"}}
}

func spec(a application.Application) driver.Spec {
	return driver.Spec{Session: uuid.NewString(), Application: a, Screen: driver.Screen{Width: 640, Height: 360, FPS: 30}}
}

func launch(t *testing.T, d *Driver, s driver.Spec) *instance {
	t.Helper()
	launched, err := d.Launch(t.Context(), s)
	require.NoError(t, err)
	in, ok := launched.(*instance)
	require.True(t, ok)
	return in
}

func waitEnd(t *testing.T, in *instance) driver.Ending {
	t.Helper()
	select {
	case <-in.Done():
	case <-time.After(time.Minute):
		require.Fail(t, "the instance did not end")
	}
	return in.Ending()
}

// dial connects to an instance's display.
func dial(t *testing.T, in *instance) *xgb.Conn {
	t.Helper()
	conn, closer, err := kiosk.Dial(t.Context(), displaySocket(in.display), in.cookie)
	require.NoError(t, err)
	t.Cleanup(func() { _ = closer.Close() })
	return conn
}

// topLevels lists the sizes of the windows that show.
func topLevels(t *testing.T, conn *xgb.Conn) []string {
	t.Helper()
	tree, err := xproto.QueryTree(conn, xproto.Setup(conn).DefaultScreen(conn).Root).Reply()
	require.NoError(t, err)
	var found []string
	for _, id := range tree.Children {
		attributes, err := xproto.GetWindowAttributes(conn, id).Reply()
		if err != nil || attributes.MapState != xproto.MapStateViewable {
			continue
		}
		if g, err := xproto.GetGeometry(conn, xproto.Drawable(id)).Reply(); err == nil {
			found = append(found, fmt.Sprintf("%dx%d%+d%+d", g.Width, g.Height, g.X, g.Y))
		}
	}
	return found
}

func readLog(t *testing.T, in *instance, part string) string {
	t.Helper()
	content, err := os.ReadFile(in.logFile(part))
	require.NoError(t, err)
	return string(content)
}
