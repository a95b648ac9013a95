package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// agent is a parent that is killed: it launches an instance in the data folder given, and tells when it runs.
func agent(ctx context.Context) {
	d, err := New(Config{Data: os.Args[2], Self: os.Args[0], Streamer: []string{os.Args[0], "role:stubborn"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := spec(app("streamstack", "role:daemon"))
	s.Session = os.Args[3]
	if _, err := d.Launch(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("launched")
	select {}
}

// startAgent runs an agent with one instance in data.
func startAgent(t *testing.T, data, session string) *exec.Cmd {
	t.Helper()
	parent := startAgentAs(t, "role:agent", data, session)
	log := filepath.Join(data, "instances", session, "application.log")
	eventually(t, func() string {
		if content, _ := os.ReadFile(log); !strings.Contains(string(content), "stubborn") {
			return "the grandchild"
		}
		return ""
	})
	return parent
}

func TestSweepEndsTheOrphansOfAKilledParent(t *testing.T) {
	data, session := t.TempDir(), uuid.NewString()
	parent := startAgent(t, data, session)
	d := newDriverIn(t, data, "role:sleep")

	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept, "its owner lives")
	requireResidents(t, data, 5)

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireResidents(t, data, 5, "instances outlive their agent")
	mine := launch(t, d, spec(app("streamstack", "role:sleep")))
	folder := filepath.Join(d.instances, session)
	left, err := readState(folder)
	require.NoError(t, err)

	swept, err = d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{session}, swept)
	requireResidents(t, data, 4, "only our own")
	require.NoDirExists(t, left.Runtime)
	requireDisplayGone(t, left.Display)
	require.NoFileExists(t, filepath.Join(folder, stateFile))
	require.FileExists(t, filepath.Join(folder, "application.log"), "for whoever asks why")
	require.Zero(t, mine.Ending())

	again, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, again)
}

func TestSweepWithoutAReadableState(t *testing.T) {
	data, session := t.TempDir(), uuid.NewString()
	parent := startAgent(t, data, session)
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	folder := filepath.Join(data, "instances", session)
	left, err := readState(folder)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(left.Runtime); _ = os.Remove(displaySocket(left.Display)) }) // known from the state alone
	require.NoError(t, os.WriteFile(filepath.Join(folder, stateFile), []byte("{"), 0o600))
	d := newDriverIn(t, data, "role:sleep")
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{session}, swept)
	requireNothingLeft(t, d)
}

// TestSweepSparesAReusedPid: a state that names a living process by pid, with another start time, ends nothing.
func TestSweepSparesAReusedPid(t *testing.T) {
	d := newDriver(t, "role:sleep")
	bystander := exec.Command("sleep", "60")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, bystander.Start())
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	boot, err := bootID()
	require.NoError(t, err)
	info, ok := readProcess(bystander.Process.Pid)
	require.True(t, ok)
	folder := filepath.Join(d.instances, "old")
	require.NoError(t, os.Mkdir(folder, 0o700))
	old := identity{PID: info.PID, Start: info.Start - 1}
	require.NoError(t, state{Session: "old", Boot: boot, Owner: old,
		Parts: map[driver.Part]identity{"display": old}}.write(folder))
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, swept)
	require.True(t, info.alive())
}

func TestOldLogsAreDropped(t *testing.T) {
	d := newDriver(t, "role:sleep")
	for i := range lifetime.KeepEnded + 5 {
		require.NoError(t, os.Mkdir(filepath.Join(d.instances, fmt.Sprintf("ended-%d", i)), 0o700))
	}
	_, err := d.Sweep(t.Context())
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(d.instances, "ended-*"))
	require.NoError(t, err)
	require.Len(t, left, lifetime.KeepEnded)
}
