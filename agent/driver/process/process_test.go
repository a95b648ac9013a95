package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

func TestXtermFillsTheScreenAndHasTheKeyboard(t *testing.T) {
	d := newDriver(t, "role:sleep")
	s := spec(app("xterm", "-b", "8"))
	s.Screen.Width, s.Screen.Height = 1081, 601 // odd: raised to even
	in := launch(t, d, s)
	conn := dial(t, in)
	screen := xproto.Setup(conn).DefaultScreen(conn)
	require.Equal(t, [2]uint16{1082, 602}, [2]uint16{screen.WidthInPixels, screen.HeightInPixels})
	eventually(t, func() string {
		if got := topLevels(t, conn); !slices.Equal(got, []string{"1082x602+0+0"}) {
			return fmt.Sprintf("a full-screen window; there is %v", got)
		}
		focus, err := xproto.GetInputFocus(conn).Reply()
		require.NoError(t, err)
		if focus.Focus <= xproto.InputFocusPointerRoot || focus.Focus == screen.Root {
			return "the keyboard"
		}
		return ""
	})
	require.Zero(t, in.Ending())
	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	require.NoDirExists(t, in.runtime)
	require.NoDirExists(t, in.home())
	requireDisplayGone(t, in.display)
}

// TestKeyCodesAreTheKernels: XTEST's codes are those of linux/input-event-codes.h plus 8.
func TestKeyCodesAreTheKernels(t *testing.T) {
	d := newDriver(t, "role:sleep")
	conn := dial(t, launch(t, d, spec(app("streamstack", "role:sleep"))))
	for code, keysym := range map[xproto.Keycode]xproto.Keysym{
		38: 'a', 50: 0xffe1 /* Shift_L */, 111: 0xff52 /* Up */, 36: 0xff0d /* Return */, 65: ' ', 119: 0xffff, /* Delete */
	} {
		got, err := xproto.GetKeyboardMapping(conn, code, 1).Reply()
		require.NoError(t, err)
		require.Equal(t, keysym, got.Keysyms[0], "key code %d", code)
	}
}

func TestScreensOfAllSizes(t *testing.T) {
	for _, c := range []struct{ width, height, fps, wantWidth, wantHeight int }{
		{3840, 2160, 60, 3840, 2160}, {2160, 3840, 240, 2160, 3840}, {1, 1, 1, 256, 128}, {1080, 2340, 60, 1080, 2340}, {16384, 506, 60, 16384, 506},
	} {
		t.Run(fmt.Sprintf("%dx%d@%d", c.width, c.height, c.fps), func(t *testing.T) {
			d := newDriver(t, "role:sleep")
			s := spec(app("streamstack", "role:sleep"))
			s.Screen = driver.Screen{Width: c.width, Height: c.height, FPS: c.fps}
			conn := dial(t, launch(t, d, s))
			screen := xproto.Setup(conn).DefaultScreen(conn)
			require.Equal(t, [2]int{c.wantWidth, c.wantHeight}, [2]int{int(screen.WidthInPixels), int(screen.HeightInPixels)})
		})
	}
}

func TestFourAtOnceAndTheTimeToStart(t *testing.T) {
	d := newDriver(t, "role:sleep")
	var wait sync.WaitGroup
	found := make([]driver.Instance, 4)
	errs := make([]error, 4)
	for i := range found {
		wait.Go(func() {
			began := time.Now()
			s := spec(app("xterm"))
			s.BeforeStreamer = func(context.Context) error {
				t.Logf("instance %d: display and sound after %s", i, time.Since(began))
				return nil
			}
			found[i], errs[i] = d.Launch(t.Context(), s)
		})
	}
	wait.Wait()
	require.NoError(t, errors.Join(errs...))
	displays := make(map[int]bool)
	for _, in := range found {
		in, ok := in.(*instance)
		require.True(t, ok)
		displays[in.display] = true
		conn := dial(t, in)
		eventually(t, func() string {
			if got := topLevels(t, conn); !slices.Equal(got, []string{"640x360+0+0"}) {
				return fmt.Sprintf("one window; there is %v", got)
			}
			return ""
		})
	}
	require.Len(t, displays, 4)
	began := time.Now()
	require.NoError(t, d.Close(t.Context()))
	t.Logf("all four ended after %s", time.Since(began))
	require.Less(t, time.Since(began), 15*time.Second, "two seconds, and much for a slow machine")
	_, err := d.Launch(t.Context(), spec(app("xterm")))
	require.ErrorIs(t, err, driver.ErrClosed)
}

func TestTheEndOfAnyPartEndsAllWithTheReason(t *testing.T) {
	for _, c := range []struct {
		part   driver.Part
		signal syscall.Signal
		reason string
	}{
		{driver.PartDisplay, syscall.SIGKILL, "the X server was ended by signal 9 (killed) after "},
		{driver.PartDisplay, syscall.SIGSEGV, "the X server was ended by signal 6 (aborted) after "}, // its own handler
		{driver.PartSound, syscall.SIGKILL, "the sound server (PulseAudio) was ended by signal 9 (killed) after "},
		{driver.PartStreamer, syscall.SIGKILL, "the streamer was ended by signal 9 (killed) after "},
		{driver.PartStreamer, syscall.SIGTERM, "the streamer exited with status 0 after "},
		{driver.PartApplication, syscall.SIGSEGV, "the application was ended by signal 11 (segmentation fault) after "},
	} {
		t.Run(fmt.Sprintf("%s %s", c.part, c.signal), func(t *testing.T) {
			d := newDriver(t, "role:sleep")
			in := launch(t, d, spec(app("xterm")))
			conn := dial(t, in)
			eventually(t, func() string {
				if len(topLevels(t, conn)) == 0 {
					return "xterm's window"
				}
				if !strings.Contains(readLog(t, in, "streamer"), "waiting") {
					return "the streamer's start"
				}
				return ""
			})
			require.NoError(t, syscall.Kill(in.parts[c.part].PID, c.signal))
			ending := waitEnd(t, in)
			require.Equal(t, c.part, ending.Part)
			require.True(t, ending.Failed)
			require.True(t, strings.HasPrefix(ending.Reason, c.reason), ending.Reason)
			requireNothingLeft(t, d)
			requireDisplayGone(t, in.display)
		})
	}
}

func TestAnApplicationThatFailsIsQuoted(t *testing.T) {
	d := newDriver(t, "role:sleep")
	ending := waitEnd(t, launch(t, d, spec(app("streamstack", "role:crash"))))
	require.Equal(t, 3, ending.ExitCode)
	require.Empty(t, ending.Signal)
	require.Regexp(t, `^the application exited with status 3 after \S+; last output: the disk is on fire$`, ending.Reason)
	require.NotContains(t, ending.LogTail, "\x1b")
}

func TestAnApplicationThatQuitsIsNoFailure(t *testing.T) {
	d := newDriver(t, "role:sleep")
	ending := waitEnd(t, launch(t, d, spec(app("streamstack", "role:quit"))))
	require.False(t, ending.Failed)
	require.Equal(t, driver.PartApplication, ending.Part)
	require.Regexp(t, `^the application exited with status 0 after \S+$`, ending.Reason)
}

func TestStopEndsWhatIgnoresSIGTERMAndWhatRanAway(t *testing.T) {
	d := newDriver(t, "role:stubborn")
	in := launch(t, d, spec(app("streamstack", "role:daemon")))
	eventually(t, func() string {
		if log := readLog(t, in, "application"); !strings.Contains(log, "stubborn") || !strings.Contains(log, "grandchild started") {
			return "the grandchild"
		}
		return ""
	})
	requireResidents(t, d.config.Data, 5)
	began := time.Now()
	require.NoError(t, in.Stop(t.Context()))
	require.Less(t, time.Since(began), 15*time.Second, "two seconds, and much for a slow machine")
	requireNothingLeft(t, d)
}

func TestWhatPartsSee(t *testing.T) {
	const secret = "SECRET-OF-THE-STREAMER"
	t.Setenv("AGENT_TOKEN", secret)
	d := newDriver(t, "role:streamer")
	s := spec(app("streamstack", "role:environment"))
	s.UserData = []byte(`{"extra_data":"$(reboot)"}`)
	s.Streamer = driver.Streamer{Env: []string{"STREAMSTACK_NATS=" + secret}, Secret: []byte(secret)}
	in := launch(t, d, s)
	eventually(t, func() string {
		if !strings.Contains(readLog(t, in, "application"), "\nend\n") {
			return "the application's report"
		}
		if !strings.Contains(readLog(t, in, "streamer"), fmt.Sprintf("secret of %d bytes", len(secret))) {
			return "the streamer's report"
		}
		return ""
	})
	saw := readLog(t, in, "application")
	require.NotContains(t, saw, secret)
	require.Contains(t, saw, "\nCOLOUR=red; rm -rf $HOME\n")
	require.Contains(t, saw, "user data: "+string(s.UserData))
	var names []string
	for line := range strings.SplitSeq(saw, "\n") {
		if name, _, isVariable := strings.Cut(line, "="); isVariable {
			names = append(names, name)
		}
	}
	require.ElementsMatch(t, []string{"PATH", "LANG", "HOME", "XDG_RUNTIME_DIR", "STREAMSTACK_INSTANCE", "DISPLAY",
		"XAUTHORITY", "PULSE_SERVER", "STREAMSTACK_CLIENT_FILE", "STREAMSTACK_DATA_SOCKETS", "STREAMSTACK_API_SOCKET", "STREAMSTACK_FILE_INBOX", "STREAMSTACK_FILE_OUTBOX", "STREAMSTACK_SENSOR_SOCKET", "STREAMSTACK_FPS", "STREAMSTACK_USER_DATA", "COLOUR"}, names)
	for _, part := range []driver.Part{driver.PartDisplay, driver.PartSound, driver.PartApplication} {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", in.parts[part].PID))
		require.NoError(t, err)
		require.NotContains(t, string(environ), secret, part)
	}
	info, err := os.Stat(in.runtime)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	raw, err := net.Dial("unix", displaySocket(in.display))
	require.NoError(t, err)
	defer func() { _ = raw.Close() }()
	_, err = raw.Write([]byte{'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // a client without the cookie
	require.NoError(t, err)
	answer := make([]byte, 1)
	_, err = raw.Read(answer)
	require.NoError(t, err)
	require.Zero(t, answer[0], "X11's answer 0: refused")
}

func TestBuiltinApplicationsFillTheScreen(t *testing.T) {
	catalogue, err := application.Builtin()
	require.NoError(t, err)
	d := newDriver(t, "role:sleep")
	for _, name := range []string{"xterm", "glxgears"} {
		a, ok := catalogue.Default(name)
		require.True(t, ok)
		in := launch(t, d, spec(a))
		conn := dial(t, in)
		eventually(t, func() string {
			if got := topLevels(t, conn); !slices.Equal(got, []string{"640x360+0+0"}) {
				return fmt.Sprintf("%s's window; there is %v; its output: %s", name, got, readLog(t, in, "application"))
			}
			return ""
		})
	}
}

// TestSoundHasOneSinkWithAMonitor asks the daemon as an application would.
func TestSoundHasOneSinkWithAMonitor(t *testing.T) {
	d := newDriver(t, "role:sleep")
	in := launch(t, d, spec(app("streamstack", "role:sleep")))
	pactl := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "pactl", args...)
		cmd.Env = in.applicationEnvironment()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	sources, err := pactl("list", "short", "sources")
	require.NoError(t, err, sources)
	require.Regexp(t, `^\d+\s+streamstack\.monitor\s+module-null-sink\.c\s+\S+ 2ch 48000Hz\s`, sources)
	require.Equal(t, 1, len(regexp.MustCompile(`(?m)^\d+\s+microphone\s+module-remap-source\.c\s`).FindAllString(sources, -1)), "one microphone")
	require.Equal(t, 3, strings.Count(sources, "\n"), "it, and a monitor for each sink: %s", sources)
	sinks, err := pactl("list", "sinks")
	require.NoError(t, err, sinks)
	require.Equal(t, 2, strings.Count(sinks, " usec, configured 50000 usec\n"), "nobody who begins to listen waits for longer: %s", sinks)
	info, err := pactl("info")
	require.NoError(t, err, info)
	require.Contains(t, info, "Default Source: microphone\n")
	require.Contains(t, info, "Default Sink: streamstack\n")
	out, err := pactl("load-module", "module-null-sink")
	require.Error(t, err, "an application must not load modules: %s", out)
}

func TestALogIsBounded(t *testing.T) {
	d := newDriver(t, "role:sleep")
	in := launch(t, d, spec(app("streamstack", "role:spam")))
	eventually(t, func() string {
		info, err := os.Stat(in.logFile("application"))
		require.NoError(t, err)
		if log := readLog(t, in, "application"); info.Size() > logLimit || !strings.HasSuffix(log, "the last line\n") || !strings.HasPrefix(log, "[") {
			return fmt.Sprintf("a shortened log with its last line; it has %d bytes", info.Size())
		}
		return ""
	})
}

func TestLaunchesThatFailLeaveNothing(t *testing.T) {
	d := newDriver(t, "role:sleep")
	ok := spec(app("streamstack", "role:sleep"))
	for name, c := range map[string]struct {
		change func(*driver.Spec)
		want   string
	}{
		"session":     {func(s *driver.Spec) { s.Session = "../up" }, "session id"},
		"screen":      {func(s *driver.Spec) { s.Screen.Width = 0 }, "width must be"},
		"user data":   {func(s *driver.Spec) { s.UserData = make([]byte, 10241) }, "user data"},
		"no command":  {func(s *driver.Spec) { s.Application.Command = nil }, "no command"},
		"not in PATH": {func(s *driver.Spec) { s.Application.Command = []string{"no-such-program"} }, `"no-such-program" is not in PATH; install it`},
		"callback":    {func(s *driver.Spec) { s.BeforeStreamer = func(context.Context) error { return errors.New("conflict") } }, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ok
			c.change(&s)
			_, err := d.Launch(t.Context(), s)
			require.ErrorContains(t, err, c.want)
			requireNothingLeft(t, d)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := d.Launch(ctx, ok)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireNothingLeft(t, d)
	})
	t.Run("twice", func(t *testing.T) {
		in := launch(t, d, ok)
		_, err := d.Launch(t.Context(), ok)
		require.ErrorIs(t, err, driver.ErrExists)
		require.NoError(t, in.Stop(t.Context()))
		again := launch(t, d, ok) // a second attempt for the same session
		require.NoError(t, again.Stop(t.Context()))
	})
}
