package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/events/eventstest"
)

const patience = time.Minute

// roles are what the test binary does as a child.
var roles = map[string]func(context.Context) error{
	"role:streamer": func(ctx context.Context) error {
		secret, err := io.ReadAll(os.Stdin)
		fmt.Printf("secret of %d bytes\n", len(secret))
		<-ctx.Done()
		return err
	},
	"role:crash":  func(context.Context) error { return fmt.Errorf("the disk is on fire") },
	"role:steady": func(ctx context.Context) error { <-ctx.Done(); return nil },
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := roles[os.Args[1]](ctx)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// agent is the other side of a guest that runs in this process.
type agent struct {
	t    *testing.T
	say  *io.PipeWriter
	hear *bufio.Scanner
	logs eventstest.Output
	done chan error
}

func newAgent(t *testing.T) (*agent, context.CancelFunc) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	in, say := io.Pipe()
	hear, out := io.Pipe()
	a := &agent{t: t, say: say, hear: bufio.NewScanner(hear), done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		err := Run(ctx, Config{Data: t.TempDir(), Self: self, Streamer: []string{self, "role:streamer"}, In: in, Out: out, Logs: &a.logs})
		_ = out.Close() // never fails (io.PipeWriter)
		a.done <- err
	}()
	t.Cleanup(func() { _ = say.Close() }) // likewise
	return a, stop
}

func (a *agent) order(o Order) {
	a.t.Helper()
	line, err := json.Marshal(o)
	require.NoError(a.t, err)
	_, err = a.say.Write(append(line, '\n'))
	require.NoError(a.t, err)
}

func (a *agent) report() (r Report) {
	a.t.Helper()
	require.True(a.t, a.hear.Scan(), "the guest says no more: %s", &a.logs)
	require.NoError(a.t, json.Unmarshal(a.hear.Bytes(), &r))
	return r
}

func (a *agent) boot(role string) *Boot {
	a.t.Helper()
	return NewBoot(driver.Spec{Session: uuid.NewString(), Screen: driver.Screen{Width: 320, Height: 240, FPS: 30}, UserData: []byte(`{}`),
		Application: application.Application{Name: "app", Version: 1, Command: []string{application.Self, role}},
		Streamer:    driver.Streamer{Secret: []byte("hunter2")}})
}

// A session from its orders to its ending, with what its parts print.
func TestRun(t *testing.T) {
	a, stop := newAgent(t)
	defer stop()
	a.order(Order{Boot: a.boot("role:crash")})
	require.Equal(t, Report{Up: true}, a.report())
	require.NotContains(t, a.logs.String(), "secret of")
	a.order(Order{Go: true})
	require.Equal(t, Report{Launched: true}, a.report())
	got := a.report()
	require.NotNil(t, got.Ending)
	require.Equal(t, driver.PartApplication, got.Ending.Part)
	require.Contains(t, got.Ending.LogTail, "the disk is on fire")
	require.NoError(t, <-a.done)
	require.Contains(t, a.logs.String(), "application: the disk is on fire\n")
	require.NotContains(t, a.logs.String(), "hunter2")
}

// A guest that is asked to end says how, and ends.
func TestStop(t *testing.T) {
	a, stop := newAgent(t)
	a.order(Order{Boot: a.boot("role:steady")})
	require.True(t, a.report().Up)
	a.order(Order{Go: true})
	require.True(t, a.report().Launched)
	eventstest.Wait(t, patience, func() string {
		if !strings.Contains(a.logs.String(), "streamer: secret of 7 bytes") {
			return "the streamer's secret: " + a.logs.String()
		}
		return ""
	})
	stop()
	require.Equal(t, &driver.Ending{Reason: "stopped on request", ExitCode: -1}, a.report().Ending)
	require.NoError(t, <-a.done)
}

// Whatever else is said, the guest says what it makes of it and ends.
func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct {
		say   func(a *agent)
		kind  error
		hears string
	}{
		"nothing":    {func(a *agent) { require.NoError(a.t, a.say.Close()) }, nil, "run by the agent's docker driver"},
		"no JSON":    {func(a *agent) { _, _ = a.say.Write([]byte("hello\n")) }, nil, "run by the agent's docker driver"},
		"no session": {func(a *agent) { a.order(Order{Go: true}) }, nil, "run by the agent's docker driver"},
		"no program": {func(a *agent) {
			b := a.boot("")
			b.Application.Command = []string{"no-such-program"}
			a.order(Order{Boot: b})
		}, driver.ErrMissing, "not in PATH"},
		"no screen": {func(a *agent) { b := a.boot("role:steady"); b.Screen.FPS = 0; a.order(Order{Boot: b}) }, driver.ErrRefused, "fps must be"},
		"a second boot": {func(a *agent) {
			b := a.boot("role:steady")
			a.order(Order{Boot: b})
			require.True(a.t, a.report().Up)
			a.order(Order{Boot: b})
		}, nil, "another order came"},
		"an end": {func(a *agent) {
			a.order(Order{Boot: a.boot("role:steady")})
			require.True(a.t, a.report().Up)
			require.NoError(a.t, a.say.Close())
		}, nil, "the agent is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			a, stop := newAgent(t)
			defer stop()
			x.say(a)
			failed := a.report().Failed
			require.NotNil(t, failed)
			require.Contains(t, failed.Reason, x.hears)
			if x.kind != nil {
				require.ErrorIs(t, failed.Err(), x.kind)
			}
			require.Error(t, <-a.done)
		})
	}
}

func TestGraphics(t *testing.T) {
	devices := t.TempDir()
	require.False(t, graphics(devices))
	require.NoError(t, os.Mkdir(filepath.Join(devices, "dri"), 0o700))
	require.False(t, graphics(devices))
	require.NoError(t, os.WriteFile(filepath.Join(devices, "nvidia0"), nil, 0o600))
	require.True(t, graphics(devices))
}

func TestParseKills(t *testing.T) {
	require.Equal(t, 3, parseKills([]byte("low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n")), "cgroup v2")
	require.Equal(t, 1, parseKills([]byte("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")), "cgroup v1")
	require.Zero(t, parseKills([]byte("oom_kill many\n")))
}

// Every line that a part prints is copied once, whole and in order, however the writing falls.
func TestFollow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		folder := t.TempDir()
		var out eventstest.Output
		f := follow(folder, &out)
		file, err := os.OpenFile(filepath.Join(folder, "part.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		var want strings.Builder
		for i, piece := range rapid.SliceOfN(rapid.StringMatching(`[a-z]{0,40}\n?[a-z]{0,3}`), 0, 20).Draw(r, "pieces") {
			_, err := file.WriteString(piece)
			require.NoError(t, err)
			want.WriteString(piece)
			if i%3 == 0 {
				time.Sleep(time.Millisecond) // so that some of it is copied meanwhile; nothing is waited for
			}
		}
		require.NoError(t, file.Close())
		f.end()
		f.end()
		expected := ""
		for line := range strings.Lines(want.String()) {
			if line = strings.TrimSuffix(line, "\n"); line != "" {
				expected += "part: " + line + "\n"
			}
		}
		require.Equal(t, expected, out.String())
	})
}
