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
	"slices"
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

// Config is a guest's. All but Sockets is required.
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
	// Sockets is process.Config.Sockets; it may be empty.
	Sockets string
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
	orders := listen(c.In)
	first, err := orders.next(ctx, nil)
	if err != nil || first.Boot == nil && first.Warm == nil {
		return fmt.Errorf("guest: standard input brings no session (%w); this command is run by the agent's docker driver", err)
	}
	if err := prepare(c.Data); err != nil {
		return err
	}
	d, err := process.New(process.Config{Data: c.Data, Self: c.Self, Streamer: c.Streamer, Sockets: c.Sockets, Limits: process.LimitsOff, // the container has its own
		Log: slog.New(slog.NewTextHandler(c.Logs, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	logs := follow(filepath.Join(c.Data, "instances", "*"), c.Logs) // of the one that there is
	defer logs.end()
	in, err := c.launch(ctx, d, orders, first)
	if err != nil {
		return err
	}
	if err := say(c.Out, Report{Launched: true}); err != nil {
		return err
	}
	select {
	case <-in.Done():
	case <-ctx.Done():
		if err := end(ctx, in); err != nil {
			return err
		}
	}
	ending := in.Ending()
	ending.OutOfMemory = ending.OutOfMemory || ending.Signal == syscall.SIGKILL.String() && kills() > 0
	logs.end()
	return say(c.Out, Report{Ending: &ending})
}

// launch starts the instance, once it has a session.
func (c Config) launch(ctx context.Context, d *process.Driver, orders *orders, first Order) (driver.Instance, error) {
	if first.Warm == nil {
		return d.Launch(ctx, c.spec(*first.Boot, orders))
	}
	w, err := d.Warm(ctx, driver.WarmSpec{ID: first.Warm.ID, Application: first.Warm.Application, Screen: first.Warm.Screen, Env: c.env(first.Warm.Env)})
	if err != nil {
		return nil, err
	}
	if err := say(c.Out, Report{Warm: true}); err != nil {
		return nil, err
	}
	then, err := orders.next(ctx, w.Done())
	if err == nil && then.Boot == nil {
		err = errors.New("guest: another order than a session came")
	}
	if err != nil {
		return nil, errors.Join(err, w.Err(), end(ctx, w))
	}
	return w.Claim(ctx, c.spec(*then.Boot, orders))
}

// stopper is an instance, or one that waits.
type stopper interface {
	Stop(ctx context.Context) error
}

// end ends it in order, also when ctx has ended.
func end(ctx context.Context, s stopper) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return s.Stop(ctx)
}

// spec is the process driver's for a session.
func (c Config) spec(b Boot, orders *orders) driver.Spec {
	return driver.Spec{
		Session: b.Session, Application: b.Application, Screen: b.Screen, UserData: b.UserData,
		Streamer: driver.Streamer{Env: c.env(b.Env), Secret: b.Secret},
		BeforeStreamer: func(ctx context.Context) error {
			if err := say(c.Out, Report{Up: true}); err != nil {
				return err
			}
			o, err := orders.next(ctx, nil)
			if err == nil && !o.Go {
				err = errors.New("guest: another order came")
			}
			if err != nil {
				return fmt.Errorf("the agent did not let the instance go: %w", err)
			}
			return nil
		},
	}
}

// env adds what the image has for the streamer.
func (c Config) env(env []string) []string {
	if _, err := os.Stat(Registry); err != nil {
		return env
	}
	env = append(slices.Clone(env), "GST_REGISTRY="+Registry)
	if !graphics("/dev") {
		// Nothing can have changed since the image was built. A look takes 0.2 s (measured), each time, since the registry
		// cannot be written; plug-ins for graphics cards need it.
		env = append(env, "GST_REGISTRY_UPDATE=no")
	}
	return env
}

// graphics tells whether a folder of devices has a graphics card's.
func graphics(devices string) bool {
	for _, pattern := range []string{"dri/*", "nvidia*"} {
		if found, _ := filepath.Glob(filepath.Join(devices, pattern)); len(found) > 0 { // the pattern is sound
			return true
		}
	}
	return false
}

// orders are what the agent says.
type orders struct {
	got chan Order
	err error // why there are no more; set before got is closed
}

// listen begins to read orders.
func listen(in io.Reader) *orders {
	o := &orders{got: make(chan Order)}
	go func() { // ends with the orders, or with our process
		defer close(o.got)
		for lines := json.NewDecoder(bufio.NewReader(in)); ; {
			var next Order
			if o.err = lines.Decode(&next); o.err != nil {
				return
			}
			o.got <- next
		}
	}()
	return o
}

// next waits for an order; over, if it is not nil, ends the wait.
func (o *orders) next(ctx context.Context, over <-chan struct{}) (Order, error) {
	select {
	case next, there := <-o.got:
		if !there {
			return next, fmt.Errorf("guest: the agent is gone: %w", o.err)
		}
		return next, nil
	case <-over:
		return Order{}, errors.New("guest: the instance that waited has ended")
	case <-ctx.Done():
		return Order{}, fmt.Errorf("guest: %w", context.Cause(ctx))
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
