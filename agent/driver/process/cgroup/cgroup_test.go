package cgroup

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// here is this host, or what of it the tests can make groups with; nil where it lets none be made. There the tests see that Open says
// why, and that is all that can be seen.
func here(t *testing.T) *Host {
	t.Helper()
	h, err := Open()
	if err != nil {
		require.ErrorIs(t, err, ErrUnavailable)
		require.NotContains(t, err.Error(), "\n")
		t.Log(err)
	}
	return h
}

func made(t *testing.T, h *Host, l Limits) *Group {
	t.Helper()
	g, err := h.Make("streamstack-test-"+uuid.NewString(), l)
	require.NoError(t, err)
	t.Cleanup(func() {
		pids, err := g.Members()
		require.NoError(t, err)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		require.NoError(t, g.Remove(context.WithoutCancel(t.Context())))
		for _, folder := range g.Folders() {
			require.NoDirExists(t, folder)
		}
	})
	return g
}

func command(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// A process and what it forks at once are members; we are not.
func TestAProcessStartsInItsGroup(t *testing.T) {
	h := here(t)
	if h == nil {
		return
	}
	g := made(t, h, Limits{})
	cmd := command(t, "sleep 60 & exec sleep 60")
	require.NoError(t, g.Start(cmd))
	var members []int
	require.Eventually(t, func() bool {
		var err error
		members, err = g.Members()
		require.NoError(t, err)
		return len(members) == 2
	}, 20*time.Second, 5*time.Millisecond)
	require.Contains(t, members, cmd.Process.Pid)
	require.NotContains(t, members, os.Getpid())
	for controller, folder := range g.Folders() {
		content, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		require.NoError(t, err)
		require.Contains(t, strings.Fields(string(content)), strconv.Itoa(cmd.Process.Pid), controller)
	}
	again := Reopen(g.Folders())
	same, err := again.Members()
	require.NoError(t, err)
	require.ElementsMatch(t, members, same)
	for _, pid := range members {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	_ = cmd.Wait() // killed
}

// Whoever takes more memory than is allowed is killed, and that is counted.
func TestTooMuchMemory(t *testing.T) {
	h := here(t)
	if h == nil {
		return
	}
	g := made(t, h, Limits{Memory: 32 << 20})
	require.Zero(t, g.OOMKills())
	cmd := command(t, "exec tail /dev/zero") // which keeps all of its last line
	require.NoError(t, g.Start(cmd))
	err := cmd.Wait()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), err)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal())
	require.Positive(t, g.OOMKills())
	require.NoError(t, g.Limit(Limits{Memory: 64 << 20}), "limits can be changed")
}

// A group has as many processes as it may, and no more.
func TestTooManyTasks(t *testing.T) {
	h := here(t)
	if h == nil {
		return
	}
	g := made(t, h, Limits{Tasks: 4})
	cmd := command(t, "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait")
	var output strings.Builder
	cmd.Stderr = &output
	require.NoError(t, g.Start(cmd))
	require.Error(t, cmd.Wait())
	require.Contains(t, strings.ToLower(output.String()), "fork")
}

// Processor time is measured out: one that would use a core for as long as it lives gets a fifth of it.
func TestTooMuchProcessorTime(t *testing.T) {
	h := here(t)
	if h == nil {
		return
	}
	g := made(t, h, Limits{CPUs: 0.2})
	cmd := command(t, "while :; do :; done")
	began := time.Now()
	require.NoError(t, g.Start(cmd))
	time.Sleep(time.Second) // what it would take is what is measured
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	require.Less(t, used, time.Since(began)/2, "a fifth, and the slack of a test")
}

func TestWhereGroupsAre(t *testing.T) {
	for name, c := range map[string]struct {
		own, mounts string
		v1          map[string]string
		v2          string
		err         string
	}{
		"version 2": {
			"0::/system.slice/streamstack.service\n", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
			nil, "/sys/fs/cgroup/system.slice/streamstack.service", "",
		},
		"in a container": {
			"0::/\n", "30 23 0:26 /docker/abc /sys/fs/cgroup/other rw - cgroup2 cgroup rw\n31 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
			nil, "/sys/fs/cgroup", "",
		},
		"version 1": {
			"4:memory:/a/b\n3:cpu,cpuacct:/a\n2:pids:/\n1:name=systemd:/x\n",
			"1 0 0:1 / /c/memory rw - cgroup cgroup rw,memory\n2 0 0:2 / /c/cpu rw - cgroup cgroup rw,cpuacct,cpu\n3 0 0:3 / /c/pids rw - cgroup cgroup rw,pids\n",
			map[string]string{"memory": "/c/memory/a/b", "cpu": "/c/cpu/a", "pids": "/c/pids"}, "", "",
		},
		"both": {
			"4:memory:/a\n0::/u\n", "1 0 0:1 / /c/memory rw - cgroup cgroup rw,memory\n2 0 0:2 / /c/unified rw - cgroup2 cgroup rw\n",
			map[string]string{"memory": "/c/memory/a"}, "/c/unified/u", "",
		},
		"nothing": {"0::/\n", "1 0 0:1 / / rw - ext4 /dev/vda rw\n", nil, "", "no control groups are mounted"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			own, mounts := filepath.Join(folder, "cgroup"), filepath.Join(folder, "mountinfo")
			require.NoError(t, os.WriteFile(own, []byte(c.own), 0o600))
			require.NoError(t, os.WriteFile(mounts, []byte(c.mounts), 0o600))
			h, err := find(own, mounts)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.v2, h.v2)
			require.Len(t, h.v1, len(c.v1))
			for controller, folder := range c.v1 {
				require.Equal(t, folder, h.v1[controller])
			}
		})
	}
}

// Version 2's files, in a folder that stands for a group that has been delegated: this host may have the controllers in version 1.
func TestTheFilesOfVersion2(t *testing.T) {
	base := t.TempDir()
	for file, content := range map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": "", "cgroup.procs": "1\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(base, file), []byte(content), 0o600))
	}
	h := &Host{v2: base}
	require.NoError(t, h.delegate())
	content, err := os.ReadFile(filepath.Join(base, "cgroup.subtree_control"))
	require.NoError(t, err)
	require.Equal(t, "+memory +cpu +pids", string(content))
	require.ErrorContains(t, h.leave(), "has other members")

	g := h.Group("one")
	require.NoError(t, g.make())
	for _, file := range []string{"memory.max", "memory.swap.max", "cpu.max", "pids.max"} {
		require.NoError(t, os.WriteFile(filepath.Join(g.v2, file), nil, 0o600))
	}
	require.NoError(t, g.Limit(Limits{Memory: 1 << 30, CPUs: 1.5, Tasks: 100}))
	for file, want := range map[string]string{"memory.max": "1073741824", "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "100"} {
		content, err := os.ReadFile(filepath.Join(g.v2, file))
		require.NoError(t, err)
		require.Equal(t, want, string(content), file)
	}
	require.NoError(t, os.WriteFile(filepath.Join(g.v2, "memory.events"), []byte("low 0\noom 3\noom_kill 2\n"), 0o600))
	require.Equal(t, 2, g.OOMKills())
}
