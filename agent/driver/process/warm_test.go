package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// warmStreamer says what a streamer says that waits, and writes down what it gets. A display of 999 pixels cannot be had. Its end
// without a session ends what carries its marker, as the real one's does (streamer/command).
func warmStreamer() {
	report, err := os.OpenFile(os.Getenv("STREAMSTACK_WARM"), os.O_WRONLY, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	say := func(r driver.WarmReport) { _ = json.NewEncoder(report).Encode(r) } //nolint:errchkjson // who waits for it tells
	say(driver.WarmReport{Warm: true})
	in := json.NewDecoder(os.Stdin)
	var screen driver.WarmScreen
	if in.Decode(&screen) != nil {
		fmt.Println("abandoned")
		return
	}
	if strings.HasPrefix(screen.Screen, "999x") || strings.HasPrefix(screen.Screen, "1000x") {
		say(driver.WarmReport{Error: "no such size"})
		return
	}
	say(driver.WarmReport{Screen: screen.Screen})
	var order driver.WarmOrder
	if err := in.Decode(&order); err != nil {
		fmt.Println("no order:", err)
		return
	}
	fmt.Printf("%s\nsecret of %d bytes\n", strings.Join(order.Env, "\n"), len(order.Secret))
	waitForTerm()
}

func warmUp(t *testing.T, d *Driver) *warm {
	t.Helper()
	started, err := d.Warm(t.Context(), driver.WarmSpec{ID: "warm-" + uuid.NewString(), Application: app("streamstack", "role:sleep"),
		Screen: driver.Screen{Width: 1280, Height: 720, FPS: 60}, Env: []string{"STREAMSTACK_REGION=local"}})
	require.NoError(t, err)
	w, ok := started.(*warm)
	require.True(t, ok)
	return w
}

// An instance that waited becomes a session's: with its screen, its secret and its user data, its logs where a session's are; nothing of it
// is left at the end, and in between the janitor takes it for nobody else's.
func TestAWarmInstanceBecomesASessions(t *testing.T) {
	const secret = "SECRET-OF-THE-STREAMER"
	d := newDriver(t, "role:warm")
	w := warmUp(t, d)
	requireResidents(t, d.config.Data, 3, "display, sound, streamer")
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept)

	s := spec(app("streamstack", "role:environment"))
	s.UserData = []byte(`{"a":1}`)
	s.Streamer = driver.Streamer{Env: []string{"STREAMSTACK_SESSION=" + s.Session}, Secret: []byte(secret)}
	told := false
	s.BeforeStreamer = func(context.Context) error { told = true; return nil }
	require.True(t, w.Fits(s))
	claimed, err := w.Claim(t.Context(), s)
	require.NoError(t, err)
	require.True(t, told)
	require.Equal(t, s.Session, claimed.ID())
	in, ok := claimed.(*instance)
	require.True(t, ok)
	eventually(t, func() string {
		if !strings.Contains(readLog(t, in, "streamer"), "secret of 22 bytes") || !strings.Contains(readLog(t, in, "application"), "\nend\n") {
			return "both reports"
		}
		return ""
	})
	require.Contains(t, readLog(t, in, "streamer"), "STREAMSTACK_SCREEN=640x360@30\n")
	require.Contains(t, readLog(t, in, "streamer"), "STREAMSTACK_SESSION="+s.Session+"\n")
	require.Contains(t, readLog(t, in, "application"), `user data: {"a":1}`)
	require.Contains(t, readLog(t, in, "application"), "HOME="+filepath.Join(d.instances, s.Session, "home")+"\n")
	for part, c := range in.parts { // not before it was claimed, and not in an environment
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.PID))
		require.NoError(t, err)
		require.NotContains(t, string(environ), secret, part)
	}
	swept, err = d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept)
	requireResidents(t, d.config.Data, 4)
	_, err = d.Launch(t.Context(), s)
	require.ErrorIs(t, err, driver.ErrExists)
	_, err = w.Claim(t.Context(), spec(app("streamstack", "role:sleep")))
	require.ErrorIs(t, err, driver.ErrCold, "it is had once")
	require.NoError(t, w.Stop(t.Context()))
	require.Zero(t, in.Ending(), "it is not the one that waits any more")

	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	requireNothingLeft(t, d)
	requireDisplayGone(t, in.display)
	require.NoFileExists(t, filepath.Join(d.instances, w.ID()))
	require.FileExists(t, filepath.Join(d.instances, s.Session, "streamer.log"))
}

// What cannot be had warm says so before anything of the session has begun; what fails later is a launch that failed.
func TestAWarmInstanceThatDoesNotDo(t *testing.T) {
	d := newDriver(t, "role:warm")
	s := spec(app("streamstack", "role:sleep"))
	s.Screen.Width = 999
	s.BeforeStreamer = func(context.Context) error { return errors.New("too early") }
	_, err := warmUp(t, d).Claim(t.Context(), s)
	require.ErrorIs(t, err, driver.ErrCold)
	require.ErrorContains(t, err, "no such size")
	requireNothingLeft(t, d)

	s.Screen.Width = 640
	s.BeforeStreamer = func(context.Context) error { return errors.New("conflict") }
	_, err = warmUp(t, d).Claim(t.Context(), s)
	require.ErrorContains(t, err, "conflict")
	require.NotErrorIs(t, err, driver.ErrCold)
	requireNothingLeft(t, d)

	w := warmUp(t, d)
	s.Application.Command = []string{"no-such-program"}
	require.False(t, w.Fits(s), "Launch says why")

	require.NoError(t, syscall.Kill(w.in.parts[driver.PartDisplay].PID, syscall.SIGKILL))
	select {
	case <-w.Done():
	case <-time.After(time.Minute):
		require.Fail(t, "it does not end")
	}
	require.ErrorContains(t, w.Err(), "the X server was ended by signal 9")
	_, err = w.Claim(t.Context(), spec(app("streamstack", "role:sleep")))
	require.ErrorIs(t, err, driver.ErrCold)
	requireNothingLeft(t, d)
}

// Stop and Close end what waits.
func TestWarmInstancesEndWithTheirDriver(t *testing.T) {
	d := newDriver(t, "role:warm")
	stopped, closed := warmUp(t, d), warmUp(t, d)
	require.NoError(t, stopped.Stop(t.Context()))
	<-stopped.Done()
	require.NoError(t, stopped.Err())
	require.NoError(t, d.Close(t.Context()))
	<-closed.Done()
	requireNothingLeft(t, d)
	_, err := d.Warm(t.Context(), driver.WarmSpec{ID: "late", Application: app("xterm"), Screen: driver.Screen{Width: 640, Height: 360, FPS: 30}})
	require.ErrorIs(t, err, driver.ErrClosed)

	bad := newDriver(t, "role:crash")
	_, err = bad.Warm(t.Context(), driver.WarmSpec{ID: "bad", Application: app("xterm"), Screen: driver.Screen{Width: 640, Height: 360, FPS: 30}})
	require.ErrorContains(t, err, "the streamer exited with status 3")
	requireNothingLeft(t, bad)
}

// agentWarm is an agent with one instance that a session has claimed, and one that waits.
func agentWarm(ctx context.Context) {
	d, err := New(Config{Data: os.Args[2], Self: os.Args[0], Streamer: []string{os.Args[0], "role:warm"}})
	for _, id := range []string{"warm-one", "warm-two"} {
		var w driver.Warm
		if err == nil {
			w, err = d.Warm(ctx, driver.WarmSpec{ID: id, Application: app("xterm"), Screen: driver.Screen{Width: 640, Height: 360, FPS: 30}})
		}
		if err == nil && id == "warm-one" {
			s := spec(app("streamstack", "role:daemon"))
			s.Session = os.Args[3]
			_, err = w.Claim(ctx, s)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("launched")
	select {}
}

// The next agent takes over the one that has a session, under its name, and ends the one that waits for an agent that is gone.
func TestAfterTheDeathOfAnAgentWithWarmInstances(t *testing.T) {
	data, session := t.TempDir(), uuid.NewString()
	parent := startAgentAs(t, "role:agent-warm", data, session)
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	d := newDriverIn(t, data, "role:sleep")
	found, err := d.Adopt(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, session, found[0].ID())
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"warm-two"}, swept)
	requireResidents(t, data, 5)
	require.NoError(t, found[0].Stop(t.Context()))
	requireNothingLeft(t, d)
	require.NoFileExists(t, filepath.Join(d.instances, "warm-one"))
}

// agentMidst is an agent whose launch does not come to its end.
func agentMidst(ctx context.Context) {
	d, err := New(Config{Data: os.Args[2], Self: os.Args[0], Streamer: []string{os.Args[0], "role:held"}})
	if err == nil {
		s := spec(app("streamstack", "role:sleep"))
		s.Session = os.Args[3]
		s.BeforeStreamer = func(context.Context) error { fmt.Println("launched"); select {} }
		_, err = d.Launch(ctx, s)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startAgentAs runs an agent until it says that it has launched.
func startAgentAs(t *testing.T, role, data, session string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	parent := exec.Command(self, role, data, session)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	t.Cleanup(func() { // also when the test fails half-way
		_ = parent.Process.Kill()
		_ = parent.Wait()
		d, err := New(Config{Data: data, Self: self, Streamer: []string{self}})
		require.NoError(t, err)
		_, err = d.Sweep(context.WithoutCancel(t.Context()))
		require.NoError(t, err)
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "launched\n", line)
	return parent
}

// heldStreamer ends with the agent that holds it: what it then does is streamer/instance's.
func heldStreamer(ctx context.Context) {
	if text, _ := io.ReadAll(os.Stdin); len(text) == 0 {
		_ = killAll(ctx, func() ([]processInfo, error) {
			return belonging(nil, func(marker string) bool { return marker == os.Getenv(markerVariable) })
		})
		return
	}
	waitForTerm()
}

// An agent that is killed in the midst of a launch, and never comes back, leaves nothing that runs: the streamer, which it held, ends
// display and sound.
func TestAnAgentIsKilledInTheMidstOfALaunchAndStaysAway(t *testing.T) {
	data := t.TempDir()
	parent := startAgentAs(t, "role:agent-midst", data, uuid.NewString())
	requireResidents(t, data, 3, "display, sound, streamer")
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireResidents(t, data, 0)
}
