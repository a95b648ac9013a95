package docker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// A session is a container that is there while the session lives, and nothing of it is left afterwards but its log.
func TestLaunchAndStop(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	require.NoError(t, d.Check(t.Context()))
	s := spec("steady")
	name := d.config.name(s.Session)
	told := false
	s.BeforeStreamer = func(context.Context) error {
		told = true
		require.Contains(t, e.Containers(), name) //nolint:contextcheck // of the test
		require.NotContains(t, printed(t, d, s.Session, ""), "streamer: ")
		return nil
	}
	in := launch(t, d, s)
	require.True(t, told)
	require.Equal(t, s.Session, in.ID())
	require.Contains(t, e.Containers(), name)
	printed(t, d, s.Session, "streamer: secret of 19 bytes")
	_, err := d.Launch(t.Context(), s)
	require.ErrorIs(t, err, driver.ErrExists)
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept, "it belongs to a session")
	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	require.NotContains(t, e.Containers(), name)
	require.FileExists(t, filepath.Join(d.instances, s.Session, logFile))
}

// What the engine shows of a container to everybody who may ask holds nothing of the session but its name and application's.
func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	s := spec("limits")
	launch(t, d, s)
	printed(t, d, s.Session, "application: end")
	shown := e.Podman("inspect", d.config.name(s.Session)) + e.Podman("logs", d.config.name(s.Session))
	for _, secret := range []string{"hunter2", "STREAMSTACK_TEST"} {
		require.NotContains(t, e.Podman("inspect", d.config.name(s.Session)), secret)
		require.NotContains(t, e.Podman("top", d.config.name(s.Session), "args"), secret)
	}
	require.NotContains(t, shown, "hunter2")
	var labels map[string]string
	require.NoError(t, json.Unmarshal([]byte(e.Podman("inspect", "--format", "{{json .Config.Labels}}", d.config.name(s.Session))), &labels))
	delete(labels, "io.buildah.version") // the image's
	require.Equal(t, map[string]string{LabelAgent: d.config.Agent, LabelSession: s.Session, LabelApplication: "limits", LabelAttempt: "1"}, labels)
}

// The limits and privileges hold inside the container, as what runs there sees them.
func TestWhatAContainerMay(t *testing.T) {
	t.Parallel()
	c := config(t, engine(t))
	c.Memory, c.CPUs = 1<<30, 3
	d := open(t, c)
	s := spec("limits")
	s.Application.Limits.Memory, s.Application.Limits.CPUs = 192<<20, 1.5
	launch(t, d, s)
	said := strings.ReplaceAll(printed(t, d, s.Session, "application: end"), "application: ", "")
	holds := func(either ...string) {
		t.Helper()
		for _, one := range either {
			if strings.Contains(said, one) {
				return
			}
		}
		t.Errorf("none of %q in:\n%s", either, said)
	}
	// cgroup v1, or v2.
	holds("/sys/fs/cgroup/memory/memory.limit_in_bytes:\n201326592\n", "/sys/fs/cgroup/memory.max:\n201326592\n")
	holds("/sys/fs/cgroup/pids/pids.max:\n4096\n", "/sys/fs/cgroup/pids.max:\n4096\n")
	holds("/sys/fs/cgroup/cpu/cpu.cfs_quota_us:\n150000\n", "/sys/fs/cgroup/cpu.max:\n150000 100000\n")
	holds("Max open files            16384                16384")
	holds("Max processes             16384                16384")
	holds("Max core file size        0                    0")
	holds("CapEff:\t0000000000000000\n")
	holds("CapBnd:\t0000000000000000\n")
	holds("NoNewPrivs:\t1\n")
	holds("Uid:\t10001\t10001\t10001\t10001\n")
	holds("root: open /usr/bin/mine: read-only file system\n")
	holds("sockets: true <nil>\n")
	holds(`user data: {"colour":"green & <blue>"} (<nil>)`)
	require.NotContains(t, said, "hunter2")
	require.NotContains(t, said, "STREAMSTACK_TEST", "that is the streamer's")
}

// An instance that uses more memory than it may ends for that reason, and says so.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	s := spec("greedy")
	s.Application.Limits.Memory = 192 << 20
	got := ending(t, launch(t, d, s))
	require.True(t, got.OutOfMemory, "%+v", got)
	require.True(t, got.Failed)
	require.Contains(t, got.Reason, "more memory than its limit of 192MiB")
	require.NotContains(t, e.Containers(), d.config.name(s.Session))
}

// An application that ends is told as the process driver tells it.
func TestApplicationEnds(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	s := spec("crash")
	got := ending(t, launch(t, d, s))
	require.Equal(t, driver.PartApplication, got.Part)
	require.Equal(t, 1, got.ExitCode)
	require.Contains(t, got.Reason, "the application exited with status 1")
	require.Contains(t, got.LogTail, "the disk is on fire")
	require.False(t, got.OutOfMemory)
	require.Contains(t, printed(t, d, s.Session, ""), "application: the disk is on fire")
	require.NotContains(t, e.Containers(), d.config.name(s.Session))
}

// Whatever a launch fails of, its kind is told and nothing is left.
func TestLaunchFails(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	for name, x := range map[string]struct {
		change func(*driver.Spec)
		kind   error
		says   string
	}{
		"no program": {func(s *driver.Spec) { s.Application.Command = []string{"no-such-program"} }, driver.ErrMissing, `"no-such-program" is not in PATH`},
		"no screen":  {func(s *driver.Spec) { s.Screen.Width = 0 }, driver.ErrRefused, "width must be 1 to"},
		"no consent": {func(s *driver.Spec) {
			s.BeforeStreamer = func(context.Context) error { return os.ErrPermission }
		}, os.ErrPermission, "before the streamer: permission denied"},
		"too much user data": {func(s *driver.Spec) { s.UserData = make([]byte, driver.MaxUserData+1) }, driver.ErrRefused, "at most 10240 are allowed"},
	} {
		s := spec("steady")
		x.change(&s)
		_, err := d.Launch(t.Context(), s)
		require.ErrorIs(t, err, x.kind, name)
		require.ErrorContains(t, err, x.says, name)
		require.NotContains(t, e.Containers(), d.config.name(s.Session), name)
	}
}

// A container that somebody kills or removes ends its session with a reason that says so.
func TestContainerKilled(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d := open(t, config(t, e))
	s := spec("steady")
	in := launch(t, d, s)
	e.Podman("kill", d.config.name(s.Session))
	got := ending(t, in)
	require.Equal(t, driver.PartInstance, got.Part)
	require.Contains(t, got.Reason, "the container was ended by signal 9 (killed)")
	require.False(t, got.OutOfMemory)

	s = spec("steady")
	in = launch(t, d, s)
	e.Podman("rm", "--force", "--time", "0", d.config.name(s.Session))
	got = ending(t, in)
	require.True(t, got.Failed)
	require.Equal(t, "docker: the container was removed by somebody else", got.Reason)
}

// A driver that is closed ends a launch that is under way.
func TestCloseWhileLaunching(t *testing.T) {
	t.Parallel()
	e := engine(t)
	d, err := New(t.Context(), config(t, e))
	require.NoError(t, err)
	s := spec("steady")
	reached := make(chan struct{})
	s.BeforeStreamer = func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	launched := make(chan error, 1)
	go func() {
		_, err := d.Launch(t.Context(), s)
		launched <- err
	}()
	<-reached
	require.NoError(t, d.Close(t.Context()))
	require.True(t, errors.Is(<-launched, driver.ErrClosed))
	require.NotContains(t, e.Containers(), d.config.name(s.Session))
	_, err = d.Launch(t.Context(), spec("steady"))
	require.ErrorIs(t, err, driver.ErrClosed)
}
