package podmantest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startTime bounds the start and the end of the service. The machine may be busy.
const startTime = time.Minute

// Engine is a running Podman that answers Docker's API.
type Engine struct {
	// Socket is where it listens, as docker.Config.Engine takes it; Image has the program that [Start] was given.
	Socket string
	Image  string

	t      testing.TB
	folder string
	argv   []string // the command with its options
	env    []string
	cmd    *exec.Cmd
	said   *os.File
}

// Start makes an image with a program and starts the engine; both go with the test. further are lines of registries.conf
// (containers-registries.conf(5)).
func Start(t testing.TB, program string, further ...string) *Engine {
	t.Helper()
	e := prepare(t, program, further)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(e.path("service.log")) // for people
			t.Logf("podman's service said: %s", text)
		}
		if err := e.remove(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Shared is [Start] for several tests of a package: what it returns ends the engine, and is for TestMain to call.
func Shared(t testing.TB, program string) (*Engine, func() error) {
	t.Helper()
	e := prepare(t, program, nil)
	return e, e.remove
}

func prepare(t testing.TB, program string, further []string) *Engine {
	t.Helper()
	require.Zero(t, os.Geteuid(), "Podman of an ordinary user cannot limit what containers use here: run these tests as root")
	folder, err := os.MkdirTemp("", "pd-") //nolint:usetesting // t.TempDir has the test's name in it, too long for a socket
	require.NoError(t, err)
	e := &Engine{t: t, folder: folder, Socket: "unix://" + filepath.Join(folder, "s"), Image: "localhost/streamstack-instance:test"}
	e.write("registries.conf", strings.Join(further, "\n")+"\n")
	e.write("containers.conf", "[engine]\nevents_logger = \"file\"\n")
	e.env = append(os.Environ(), "CONTAINERS_CONF="+e.path("containers.conf"), "CONTAINERS_REGISTRIES_CONF="+e.path("registries.conf"), "TMPDIR="+folder)
	base := baseStore(t, folder, e.env)
	e.argv = append(podman(filepath.Join(folder, "root"), folder), "--storage-opt", "additionalimagestore="+base)
	build := exec.CommandContext(t.Context(), "sh", scripts(t, "build.sh"), "--base", baseName, "--tag", e.Image, "--binary", program)
	build.Env = append(slices.Clone(e.env), "ENGINE="+strings.Join(e.argv, " "))
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build the image: %s", out)
	e.Up()
	return e
}

// podman is the command with its storage and the rest of its state in folders. It refuses a long path of the latter.
func podman(store, folder string) []string {
	in := func(name string) string { return filepath.Join(folder, name) }
	return []string{"podman", "--root", store, "--runroot", in("run"), "--tmpdir", in("tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay"}
}

func (e *Engine) path(name string) string { return filepath.Join(e.folder, name) }

func (e *Engine) write(name, text string) {
	e.t.Helper()
	require.NoError(e.t, os.WriteFile(e.path(name), []byte(text), 0o600))
}

// Up starts the service, which must not run.
func (e *Engine) Up() {
	e.t.Helper()
	var err error
	e.said, err = os.OpenFile(e.path("service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(e.t, err)
	argv := slices.Concat(e.argv, []string{"system", "service", "--time", "0", e.Socket})
	e.cmd = exec.Command(argv[0], argv[1:]...)
	e.cmd.Env, e.cmd.Stdout, e.cmd.Stderr = e.env, e.said, e.said
	e.cmd.Dir = e.folder // conmon leaves a file "oom" where it was started when a container is out of memory
	require.NoError(e.t, e.cmd.Start())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.t.Context()), startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(e.Socket, "unix://"))
		if err == nil {
			_ = conn.Close() // it was only to see that it is there
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.NoError(e.t, err, "podman's service is not up within %s", startTime)
		}
	}
}

// Down ends the service as a crash does; the containers go on.
func (e *Engine) Down() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait() // killed
	_ = e.said.Close()
	e.cmd = nil
	_ = os.Remove(strings.TrimPrefix(e.Socket, "unix://"))
}

// Podman runs a command of Podman's and returns what it prints.
func (e *Engine) Podman(args ...string) string {
	e.t.Helper()
	out, err := e.podman(args...)
	require.NoError(e.t, err, "podman %v: %s", args, out)
	return strings.TrimSpace(out)
}

func (e *Engine) podman(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.t.Context()), startTime)
	defer cancel()
	argv := slices.Concat(e.argv, args) // several tests share it
	run := exec.CommandContext(ctx, argv[0], argv[1:]...)
	run.Env = e.env
	out, err := run.CombinedOutput()
	return string(out), err
}

// Containers lists the names of all containers, also of those that have ended.
func (e *Engine) Containers() []string {
	e.t.Helper()
	return strings.Fields(e.Podman("ps", "--all", "--format", "{{.Names}}"))
}

// PID is the first process of a container, as this machine numbers it.
func (e *Engine) PID(container string) string {
	e.t.Helper()
	return e.Podman("inspect", "--format", "{{.State.Pid}}", container)
}

// remove ends all containers and the service, and removes its folder.
func (e *Engine) remove() error {
	out, err := e.podman("rm", "--all", "--force", "--time", "0")
	if err != nil {
		err = fmt.Errorf("containers are left: %w: %s", err, out)
	}
	e.Down()
	unmount(e.path("root"))
	return errors.Join(err, os.RemoveAll(e.folder))
}

// unmount undoes what Podman keeps mounted of its storage, on itself.
func unmount(store string) {
	_ = syscall.Unmount(filepath.Join(store, "overlay"), syscall.MNT_DETACH) // not mounted: nothing to do
}
