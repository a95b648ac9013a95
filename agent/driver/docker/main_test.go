package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/guest"
	"streamstack/agent/driver/docker/podmantest"
	"streamstack/events/eventstest"
)

// patience bounds every wait: the machine may be busy.
const patience = time.Minute

// roles are what the test binary does in a container, where it is /usr/bin/streamstack.
var roles = map[string]func(context.Context) error{
	"instance": func(ctx context.Context) error {
		return guest.Main(ctx, guest.Config{Data: "/data", Self: os.Args[0], Streamer: []string{os.Args[0], "streamer"}, In: os.Stdin, Out: os.Stdout, Logs: os.Stderr, Sockets: "/run/user/1000/anbox/sockets"})
	},
	// streamer tells the size of its secret.
	"streamer": func(ctx context.Context) error {
		if path := os.Getenv("STREAMSTACK_WARM"); path != "" {
			return warmStreamer(ctx, path)
		}
		secret, err := io.ReadAll(os.Stdin)
		fmt.Printf("secret of %d bytes\n", len(secret))
		<-ctx.Done()
		return err
	},
	"steady": func(ctx context.Context) error { <-ctx.Done(); return nil },
	"crash":  func(context.Context) error { return fmt.Errorf("the disk is on fire") },
	// greedy uses more and more memory.
	"greedy": func(ctx context.Context) error {
		var all [][]byte
		for ctx.Err() == nil {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		return fmt.Errorf("%d MiB", len(all))
	},
	// limits tells what it may and what it sees.
	"limits": func(ctx context.Context) error {
		for _, path := range []string{"/proc/self/status", "/proc/self/limits", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max",
			"/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu.max"} {
			if text, err := os.ReadFile(path); err == nil {
				fmt.Printf("%s:\n%s", path, text)
			}
		}
		fmt.Println("root:", os.WriteFile("/usr/bin/mine", nil, 0o600))
		data, missing := os.ReadFile(os.Getenv("STREAMSTACK_USER_DATA"))
		sockets, err := os.Readlink("/run/user/1000/anbox/sockets")
		fmt.Println("sockets:", sockets == os.Getenv("STREAMSTACK_DATA_SOCKETS"), err)
		fmt.Printf("environment: %q\nuser data: %s (%v)\nend\n", os.Environ(), data, missing)
		<-ctx.Done()
		return nil
	},
}

// warmStreamer says what a streamer says that waits. A display of 998 pixels cannot be had.
func warmStreamer(ctx context.Context, path string) error {
	report, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	say, hear := json.NewEncoder(report), json.NewDecoder(os.Stdin)
	var screen driver.WarmScreen
	if err := errors.Join(say.Encode(driver.WarmReport{Warm: true}), hear.Decode(&screen)); err != nil {
		return err
	}
	if strings.HasPrefix(screen.Screen, "998x") {
		return say.Encode(driver.WarmReport{Error: "no such size"})
	}
	var order driver.WarmOrder
	if err := errors.Join(say.Encode(driver.WarmReport{Screen: screen.Screen}), hear.Decode(&order)); err != nil {
		return err
	}
	fmt.Printf("warm secret of %d bytes\n", len(order.Secret))
	<-ctx.Done()
	return nil
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
	code := m.Run()
	endShared()
	os.Exit(code)
}

// shared is the engine of the tests that do nothing to it.
var shared struct {
	sync.Mutex
	*podmantest.Engine
	end func() error
}

// engine is that of all tests but those that need one of their own.
func engine(t *testing.T) *podmantest.Engine {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Engine == nil {
		shared.Engine, shared.end = podmantest.Shared(t, self(t))
	}
	return shared.Engine
}

func endShared() {
	if shared.end == nil {
		return
	}
	if err := shared.end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// config is a driver's of an agent of its own.
func config(t *testing.T, e *podmantest.Engine) Config {
	t.Helper()
	return Config{Data: t.TempDir(), Agent: "a-" + uuid.NewString()[:8], Engine: e.Socket, Image: e.Image}
}

// open makes a driver whose instances end with the test.
func open(t *testing.T, c Config) *Driver {
	t.Helper()
	d, err := New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// spec is a session of an application, which is a role of this binary.
func spec(app string) driver.Spec {
	return driver.Spec{Session: uuid.NewString(), Application: application.Application{Name: app, Version: 1, Command: []string{application.Self, app}},
		Screen: driver.Screen{Width: 320, Height: 240, FPS: 30}, Attempt: 1, UserData: []byte(`{"colour":"green & <blue>"}`),
		Streamer: driver.Streamer{Env: []string{"STREAMSTACK_TEST=yes"}, Secret: []byte(`{"creds":"hunter2"}`)}}
}

func app(name string, version int) application.Application {
	return application.Application{Name: name, Version: version}
}

// launch starts an instance.
func launch(t *testing.T, d *Driver, s driver.Spec) driver.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := d.Launch(ctx, s)
	require.NoError(t, err)
	return in
}

// ending waits for an instance's.
func ending(t *testing.T, in driver.Instance) driver.Ending {
	t.Helper()
	select {
	case <-in.Done():
		return in.Ending()
	case <-time.After(patience):
		t.Fatal("the instance does not end")
		return driver.Ending{}
	}
}

// printed waits until an instance's log has a text, and returns it.
func printed(t *testing.T, d *Driver, session, text string) (log string) {
	t.Helper()
	eventstest.Wait(t, patience, func() string {
		content, _ := os.ReadFile(filepath.Join(d.instances, session, logFile)) // not there yet
		if log = string(content); !strings.Contains(log, text) {
			return fmt.Sprintf("%q in %q", text, log)
		}
		return ""
	})
	return log
}
