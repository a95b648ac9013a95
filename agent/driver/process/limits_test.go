package process

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/process/cgroup"
)

// eat takes memory until it is stopped.
func eat() {
	fmt.Println("eating")
	var all [][]byte
	for {
		piece := make([]byte, 8<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		all = append(all, piece)
		_ = all
	}
}

// escape leaves a process that nothing but its control group ties to the instance: its parent is gone, it has a session of its own, and
// its environment is empty.
func escape() {
	if os.Args[1] == "role:escape" {
		between := exec.Command(os.Args[0], "role:escape-between")
		between.Stdout, between.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setsid: true}
		_ = between.Run()
		waitForTerm()
		return
	}
	far := exec.Command("/bin/sleep", "1000")
	far.Env, far.Dir, far.SysProcAttr = []string{"A=B"}, "/", &syscall.SysProcAttr{Setsid: true}
	if err := far.Start(); err == nil {
		fmt.Printf("far away: %d\n", far.Process.Pid)
	}
}

// enforced tells whether this host lets the tests make control groups; where it does not, they see that the driver says so.
func enforced(t *testing.T) bool {
	t.Helper()
	how, err := CheckLimits()
	if err == nil {
		t.Log(how)
		return true
	}
	require.ErrorIs(t, err, cgroup.ErrUnavailable)
	self, err := os.Executable()
	require.NoError(t, err)
	d, err := New(Config{Data: t.TempDir(), Self: self, Streamer: []string{self}, Limits: LimitsEnforce})
	require.NoError(t, err)
	require.ErrorIs(t, d.Check(t.Context()), cgroup.ErrUnavailable)
	return false
}

func requireGroupGone(t *testing.T, in *instance) {
	t.Helper()
	require.NotNil(t, in.group)
	for _, folder := range in.group.Folders() {
		require.NoDirExists(t, folder)
	}
}

// An instance that takes more memory than it may ends, and says why; one that had waited likewise.
func TestTooMuchMemory(t *testing.T) {
	if !enforced(t) {
		return
	}
	a := app("streamstack", "role:eat")
	a.Limits = application.Limits{Memory: 300 << 20, CPUs: 2}
	check := func(t *testing.T, d *Driver, in *instance) {
		t.Helper()
		e := waitEnd(t, in)
		require.True(t, e.OutOfMemory && e.Failed, e)
		require.Equal(t, "the instance used more memory than it is allowed (300 MiB), and the kernel ended a process of it; raise limits.memory of the application if it needs more", e.Reason)
		require.Contains(t, e.LogTail, "eating")
		requireNothingLeft(t, d)
		requireGroupGone(t, in)
	}
	t.Run("cold", func(t *testing.T) {
		d := newDriver(t, "role:sleep")
		check(t, d, launch(t, d, spec(a)))
	})
	t.Run("warm", func(t *testing.T) {
		d := newDriver(t, "role:warm")
		claimed, err := warmUp(t, d).Claim(t.Context(), spec(a))
		require.NoError(t, err)
		in, ok := claimed.(*instance)
		require.True(t, ok)
		check(t, d, in)
	})
}

// What clears its environment, and leaves its session and its parent, is still ended with the instance, and by who sweeps up after an
// agent that has died.
func TestNothingEscapes(t *testing.T) {
	if !enforced(t) {
		return
	}
	d := newDriver(t, "role:sleep")
	in := launch(t, d, spec(app("streamstack", "role:escape")))
	far := processInfo{}
	eventually(t, func() string {
		_, after, found := strings.Cut(readLog(t, in, "application"), "far away: ")
		var pid int
		if _, err := fmt.Sscanf(after, "%d\n", &pid); !found || err != nil {
			return "the process that went far away"
		}
		var ok bool
		far, ok = readProcess(pid)
		require.True(t, ok)
		return ""
	})
	t.Cleanup(func() { far.signal(syscall.SIGKILL) })
	parts := in.state.identities()
	eventually(t, func() string {
		found, err := belonging(parts, func(marker string) bool { return marker == in.marker })
		require.NoError(t, err)
		if slices.ContainsFunc(found, func(p processInfo) bool { return p.PID == far.PID }) {
			return "the end of its parent: by itself it is not to be found"
		}
		return ""
	})
	require.NoError(t, in.Stop(t.Context()))
	require.False(t, far.alive())
	requireNothingLeft(t, d)
	requireGroupGone(t, in)
}

// Off leaves control groups alone; nonsense is refused.
func TestLimitsOff(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	d, err := New(Config{Data: t.TempDir(), Self: self, Streamer: []string{self, "role:sleep"}, Limits: LimitsOff})
	require.NoError(t, err)
	t.Cleanup(func() { closeDriver(t, d) })
	a := app("streamstack", "role:sleep")
	a.Limits.Memory = 1 << 20 // which no process could keep to
	in := launch(t, d, spec(a))
	require.Nil(t, in.group)
	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	_, err = New(Config{Data: t.TempDir(), Self: self, Streamer: []string{self}, Limits: "sometimes"})
	require.ErrorContains(t, err, "auto, enforce or off")
}
