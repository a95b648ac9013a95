package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"streamstack/agent/driver"
	"streamstack/agent/driver/process"
)

// stopTime bounds the end in order; the process driver's graces add up to 2 s.
const stopTime = 5 * time.Second

// Registry is GStreamer's registry of plug-ins in our image, made when that was built: scanning them takes a second or more,
// and the root file system cannot be written to.
const Registry = "/usr/share/streamstack/gstreamer-registry.bin"

// Config is a guest's. All is required.
type Config struct {
	// Data is a folder that can be written to.
	Data string
	// Self is our own executable, Streamer the streamer's command.
	Self     string
	Streamer []string
	// In and Out are where the agent is, Logs is where the instance's output goes.
	In   io.Reader
	Out  io.Writer
	Logs io.Writer
}

// Run runs one session to its end, or until ctx ends. The error is one of the guest's own work: how the instance fared is
// told to the agent, which is also told of the error.
func Run(ctx context.Context, c Config) error {
	err := run(ctx, c)
	if err != nil {
		err = errors.Join(err, say(c.Out, Report{Failed: newFailure(err)}))
	}
	return err
}

func run(ctx context.Context, c Config) error {
	orders := json.NewDecoder(bufio.NewReader(c.In))
	var first Order
	if err := orders.Decode(&first); err != nil || first.Boot == nil {
		return fmt.Errorf("guest: standard input brings no session (%w); this command is run by the agent's docker driver", err)
	}
	boot := *first.Boot
	if err := prepare(c.Data); err != nil {
		return err
	}
	d, err := process.New(process.Config{Data: c.Data, Self: c.Self, Streamer: c.Streamer, Log: slog.New(slog.NewTextHandler(c.Logs, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	logs := follow(filepath.Join(c.Data, "instances", boot.Session), c.Logs)
	defer logs.end()
	env := boot.Env
	if _, err := os.Stat(Registry); err == nil {
		env = append(env, "GST_REGISTRY="+Registry)
	}
	in, err := d.Launch(ctx, driver.Spec{
		Session: boot.Session, Application: boot.Application, Screen: boot.Screen, UserData: boot.UserData,
		Streamer: driver.Streamer{Env: env, Secret: boot.Secret},
		BeforeStreamer: func(ctx context.Context) error {
			if err := say(c.Out, Report{Up: true}); err != nil {
				return err
			}
			return await(ctx, orders)
		},
	})
	if err != nil {
		return err
	}
	if err := say(c.Out, Report{Launched: true}); err != nil {
		return err
	}
	select {
	case <-in.Done():
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if err := in.Stop(stop); err != nil {
			return err
		}
	}
	ending := in.Ending()
	ending.OutOfMemory = ending.OutOfMemory || ending.Signal == syscall.SIGKILL.String() && kills() > 0
	logs.end()
	return say(c.Out, Report{Ending: &ending})
}

// await waits for Go.
func await(ctx context.Context, orders *json.Decoder) error {
	got := make(chan error, 1)
	go func() { // ends with the order, or with our process
		var o Order
		err := orders.Decode(&o)
		if err == nil && !o.Go {
			err = errors.New("another order came")
		}
		got <- err
	}()
	select {
	case err := <-got:
		if err != nil {
			return fmt.Errorf("guest: the agent did not let the instance go: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("guest: %w", context.Cause(ctx))
	}
}

// prepare makes what an X server of an ordinary user cannot make, and others than us must not.
func prepare(data string) error {
	const sockets = "/tmp/.X11-unix"
	for _, folder := range []string{sockets, data} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("guest: %w; the container needs /tmp and %s to write to", err, data)
		}
	}
	return nil
}

func say(out io.Writer, r Report) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("guest: tell the agent: %w", err)
	}
	return nil
}
