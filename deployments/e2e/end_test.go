package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// drainTime is what an end in order may take.
const drainTime = 5 * time.Second

// nothingLeft waits until no process belongs to the data folder.
func nothingLeft(t *testing.T, data string, within time.Duration) {
	t.Helper()
	stack.Eventually(t, within, func() string {
		if left := stack.Left(data); len(left) > 0 {
			return fmt.Sprintf("the end of %d processes: %s", len(left), strings.Join(left, "; "))
		}
		return ""
	})
}

// TestStop: soon after a signal no child is left, and every session has ended with a reason. SIGHUP is what a program
// gets when its terminal goes. What waits for a session ends too; the one in the browser had waited. The stack that is started
// on the same folder is the one that is stopped next; its applications have namespaces of their own.
func TestStop(t *testing.T) {
	data := stack.DataDir(t)
	before := traces(t)
	s := stack.Up(t, data, "--warm", "1")
	awaitWarm(t, s)
	v := open(t, s, "")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		s = checkStop(t, v.at(s), signal, before)
	}
}

// traces are what the instances leave on a machine besides processes.
func traces(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), "streamstack-[0-9]*"))
	require.NoError(t, err)
	sockets, err := filepath.Glob("/tmp/.X11-unix/X*")
	require.NoError(t, err)
	return append(folders, sockets...)
}

// awaitWarm waits until an instance waits for a session.
func awaitWarm(t *testing.T, s *stack.Stack) {
	t.Helper()
	stack.Eventually(t, time.Minute, func() string {
		list, err := s.Client.Agents(t.Context(), false)
		if err != nil || len(list) != 1 || list[0].Warm == nil || *list[0].Warm < 1 {
			return "an instance that waits for a session"
		}
		return ""
	})
}

// checkStop ends a stack, on which there was nothing else before, and returns the next one on its folder.
func checkStop(t *testing.T, v viewer, signal syscall.Signal, before []string) *stack.Stack {
	t.Helper()
	s, data := v.s, v.s.Data
	v.again("")
	watched := v.start("testcard")
	checkPicture(t, v)
	var launched events.LaunchedData
	require.NoError(t, s.Await(watched, events.Agent, events.Launched).Decode(&launched))
	require.Equal(t, signal == syscall.SIGTERM, launched.Warm, "only the first stack keeps instances warm")
	other := s.Create(client.CreateRequest{App: "xterm"}).ID
	s.Await(other, events.Streamer, events.Ready)
	require.GreaterOrEqual(t, len(stack.Left(data)), 9, "up, and two instances of four parts each")

	begin := time.Now()
	s.Signal(signal)
	nothingLeft(t, data, drainTime)
	t.Logf("nothing left %s after %s", time.Since(begin).Round(time.Millisecond), signal)
	stack.Eventually(t, drainTime, func() string {
		for _, trace := range traces(t) {
			if !slices.Contains(before, trace) {
				return "the end of " + trace
			}
		}
		return ""
	})
	require.Zero(t, s.Wait(), "exit status")
	require.NoFileExists(t, filepath.Join(data, "endpoints.json"))

	again := stack.Up(t, data, "--isolate")
	for _, id := range []events.SessionID{watched, other} {
		var d events.EndedData
		require.NoError(t, again.Await(id, events.Agent, events.Terminated).Decode(&d))
		require.NotEmpty(t, d.Reason)
	}
	checkHistory(t, again.History(watched))
	return again
}

// TestKill: after kill -9 of `up`, the next start on the same folder has the whole history, ends the orphans and their
// sessions with a reason, and works.
func TestKill(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data)
	v := open(t, s, "")
	id := v.start("testcard")
	before := s.History(id)
	s.Signal(syscall.SIGKILL)
	require.Equal(t, -1, s.Wait())
	require.NotEmpty(t, stack.Left(data), "orphans of the dead run")
	orphans := stack.Left(data)

	again := stack.Up(t, data)
	after := again.History(id)
	require.Equal(t, before, after[:len(before)], "the history is whole")
	var d events.FailedData
	require.NoError(t, again.Await(id, events.Agent, events.Failed).Decode(&d))
	require.NotEmpty(t, d.Reason)
	require.Equal(t, 1, endings(again.History(id)), "exactly one ending")
	stack.Eventually(t, drainTime, func() string {
		for _, o := range orphans {
			for _, l := range stack.Left(data) {
				if o == l {
					return "the end of the orphan " + o
				}
			}
		}
		return ""
	})
	v = v.at(again)
	v.again("")
	v.start("testcard")
	checkPicture(t, v)
	again.Verify()
}

// TestCrashes: whatever part of an instance dies, the session ends in status error, and the reason is in words in
// `session show`, in `history` and in the console.
func TestCrashes(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data)
	page := open(t, s, "")
	for part, x := range map[string]struct{ args, word string }{
		"application": {"testcard", "application"},
		"display":     {"Xorg", "X server"},
		"streamer":    {"streamer", "streamer"},
		"sound":       {"pulseaudio", "sound"},
	} {
		t.Run(part, func(t *testing.T) {
			v := page.of(t)
			v.again("")
			id := v.start("testcard")
			require.NoError(t, syscall.Kill(instancePID(t, id, x.args), syscall.SIGKILL))
			var d events.FailedData
			require.NoError(t, s.Await(id, events.Agent, events.Failed).Decode(&d))
			require.Equal(t, part, d.Part, d.Reason)
			require.Contains(t, d.Reason, x.word)
			t.Logf("reason: %s", d.Reason)

			shown, code := stack.Command(t, "session", "show", string(id), "--data", data)
			require.Zero(t, code, shown)
			require.Contains(t, shown, "error")
			require.Contains(t, shown, d.Reason)
			history, code := stack.Command(t, "history", string(id), "--data", data)
			require.Zero(t, code)
			require.Contains(t, history, d.Reason)
			v.Wait(`document.querySelector('#failure-message')?.textContent.includes(`+strconv.Quote(d.Reason)+`)`, "the reason in the console")
		})
	}
	s.Verify("--ended")
}

// instancePID finds a process of an instance by what stands in its arguments.
func instancePID(t *testing.T, id events.SessionID, args string) int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, f := range folders {
		env, _ := os.ReadFile(filepath.Join(f, "environ"))
		cmd, _ := os.ReadFile(filepath.Join(f, "cmdline"))
		if strings.Contains(string(env), "/instances/"+string(id)+"/home") && strings.Contains(string(cmd), args) {
			pid, err := strconv.Atoi(filepath.Base(f))
			require.NoError(t, err)
			return pid
		}
	}
	t.Fatalf("no process of instance %s has %q in its arguments", id, args)
	return 0
}
