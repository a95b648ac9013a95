// Package stack starts a streamstack for end-to-end tests and benchmarks, and ends it with the test.
package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/gateway/client"
)

const (
	// startTime bounds the start of a stack, stopTime its end: the promise is 5 s for what `up` started, and NATS
	// closes its store after that.
	startTime, stopTime = 60 * time.Second, 15 * time.Second
	// pollEvery is how often a condition is looked at.
	pollEvery = 50 * time.Millisecond
	// requestTime bounds one request to the gateway, and pageLimit is how many events it may answer with.
	requestTime, pageLimit = 10 * time.Second, 1000
)

// buildsVariable names the folder in which a test that runs itself anew, in another namespace, keeps what it has built.
const buildsVariable = "STREAMSTACK_E2E_BUILDS"

// binary builds the program once for a run of the tests; what is there already is only looked at. It does not take the
// debugger's tables, which are half of the linker's work.
var binary = sync.OnceValues(func() (string, error) {
	dir := os.Getenv(buildsVariable)
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "streamstack-e2e-"); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "streamstack")
	out, err := exec.Command("go", "build", "-ldflags=-w", "-o", path, "streamstack").CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return path, nil
})

// Builds is the variable by which another run of the test finds what this one has built.
func Builds(t testing.TB) string {
	t.Helper()
	return buildsVariable + "=" + filepath.Dir(Binary(t))
}

// Binary is the path of the program under test.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	require.NoError(t, err, "build the program")
	return path
}

// Cleanup removes what [Binary] made; for TestMain.
func Cleanup() {
	if os.Getenv(buildsVariable) != "" {
		return // they are another's
	}
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
	}
}

// DataDir makes a data folder that goes with the test. Its path is short: a Unix socket's has at most 107 bytes.
func DataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ss-") //nolint:usetesting // t.TempDir has the test's name in it, which is too long
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Process is one program under test.
type Process struct {
	t        testing.TB
	cmd      *exec.Cmd
	out, err buffer
	done     chan struct{}
	state    error
}

// Run starts the program with these arguments. It is ended with the test, if it has not ended by then.
func Run(t testing.TB, args ...string) *Process {
	t.Helper()
	return RunIn(t, nil, nil, args...)
}

// RunIn is [Run] behind a wrapper such as `ip netns exec NAME`, and with variables added to the environment.
func RunIn(t testing.TB, wrapper, env []string, args ...string) *Process {
	t.Helper()
	return start(t, slices.Concat(wrapper, []string{Binary(t)}, args), env)
}

// start starts any program.
func start(t testing.TB, argv, env []string) *Process {
	t.Helper()
	p := &Process{t: t}
	p.run(argv, env)
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		if !p.ended(stopTime) {
			p.Signal(syscall.SIGKILL)
			p.ended(stopTime)
			t.Errorf("%v did not end within %s of SIGTERM", argv, stopTime)
		}
		if t.Failed() {
			t.Logf("%v said:\n%s%s", argv, p.out.String(), p.err.String())
		}
	})
	return p
}

// run starts a program as this process, which has none or has ended.
func (p *Process) run(argv, env []string) {
	p.t.Helper()
	p.cmd, p.done = exec.Command(argv[0], argv[1:]...), make(chan struct{}) //nolint:noctx // ended by start
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	require.NoError(p.t, p.cmd.Start())
	go func() {
		p.state = p.cmd.Wait()
		close(p.done)
	}()
}

// Signal sends a signal; one that has ended is left alone.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s) // it may end at this moment
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout and Stderr are what it has said so far.
func (p *Process) Stdout() string { return p.out.String() }

// Stderr is what it has said to people so far.
func (p *Process) Stderr() string { return p.err.String() }

// Wait waits for its end and returns the exit status, or -1 after a signal.
func (p *Process) Wait() int {
	p.t.Helper()
	require.True(p.t, p.ended(startTime), "the process has not ended; it said: %s%s", p.out.String(), p.err.String())
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) ended(within time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(within):
		return false
	}
}

// Stack is a running `up`, or components of their own that serve the same.
type Stack struct {
	t testing.TB
	*Process
	Data string
	connect.Endpoints
	Client *client.Client
	// Find are the flags by which other commands find the log.
	Find []string
	// restartNATS is nil where NATS is no process of its own.
	restartNATS func()
}

// Up starts `streamstack up` on free ports and a data folder, with further flags.
func Up(t testing.TB, data string, flags ...string) *Stack {
	t.Helper()
	args := slices.Concat([]string{"up", "--data", data, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0", "--verbose"}, flags)
	s := &Stack{t: t, Data: data, Process: Run(t, args...), Find: []string{"--data", data}}
	Eventually(t, startTime, func() string {
		select {
		case <-s.done:
			t.Fatalf("up ended: %s", s.Stderr())
		default:
		}
		if !bytes.Contains([]byte(s.Stdout()), []byte("/#token=")) {
			return "the console's address; up says: " + s.Stderr()
		}
		return ""
	})
	var err error
	s.Endpoints, err = connect.ReadEndpoints(data)
	require.NoError(t, err)
	if s.Certificate == "" { // a proxy between would have to be trusted in its place
		s.Gateway = checked(t, s.Gateway)
	}
	s.Client, err = client.New(s.Gateway, s.Token)
	require.NoError(t, err)
	if s.Certificate != "" {
		require.NoError(t, s.Client.Trust(s.Certificate))
	}
	return s
}

// Console is the address that people open, with these further parts of the fragment, such as "&relay=1".
func (s *Stack) Console(more string) string { return s.Gateway + "/#token=" + s.Token + more }

// History is `streamstack history ID --json`, with further flags.
func (s *Stack) History(id events.SessionID, flags ...string) []events.Event {
	s.t.Helper()
	out, code := Command(s.t, slices.Concat([]string{"history", string(id), "--json"}, s.Find, flags)...)
	require.Zero(s.t, code, out)
	var list []events.Event
	for line := range bytes.Lines([]byte(out)) {
		var e events.Event
		require.NoError(s.t, json.Unmarshal(line, &e), string(line))
		list = append(list, e)
	}
	return list
}

// Await polls the gateway for the session's events until the event is among them, and returns it. It does not ask by
// [Stack.History]: a program started twenty times a second takes a core from what is being waited for.
func (s *Stack) Await(id events.SessionID, a events.Actor, n events.Name) events.Event {
	s.t.Helper()
	var found events.Event
	var after events.Seq
	Eventually(s.t, startTime, func() string {
		ctx, cancel := context.WithTimeout(s.t.Context(), requestTime)
		defer cancel()
		for {
			page, next, err := s.Client.Events(ctx, client.EventsQuery{Session: id, After: after, Limit: pageLimit})
			if err != nil {
				return fmt.Sprintf("%s.%s of %s: %v", a, n, id, err)
			}
			for _, e := range page {
				if e.Is(a, n) {
					found = e
					return ""
				}
			}
			if len(page) == 0 {
				return string(a) + "." + string(n) + " in the history of " + string(id)
			}
			after = next
		}
	})
	return found
}

// Create starts a session and returns what the gateway granted.
func (s *Stack) Create(r client.CreateRequest) client.Grant {
	s.t.Helper()
	g, err := s.Client.Create(s.t.Context(), r)
	require.NoError(s.t, err)
	return g
}

// Command runs the program to its end and returns what it printed on standard output, and its exit status.
func Command(t testing.TB, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", args, err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return string(out) + stderr.String(), code
	}
	return string(out), 0
}

// Eventually polls until missing says that nothing is missing any more.
func Eventually(t testing.TB, within time.Duration, missing func() string) {
	t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for end := time.Now().Add(within); ; {
		last := time.Now().After(end) // so that a machine which stood still gets one look more
		what := missing()
		if what == "" {
			return
		}
		if last {
			t.Fatalf("still missing after %s: %s", within, what)
		}
		<-tick.C
	}
}

// buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
