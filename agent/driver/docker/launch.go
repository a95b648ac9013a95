package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/guest"
)

// launch starts the container and talks to its guest until the instance runs. After an error the caller cleans up.
func (in *instance) launch(ctx context.Context) error {
	if err := in.d.image(ctx, in.d.config.image(in.spec.Application), in.spec.Pulling); err != nil {
		return err
	}
	talk, err := in.open(ctx, func(ctx context.Context, t *talk) error { return in.begin(ctx, t) })
	if err != nil {
		return err
	}
	talk.close()
	return nil
}

// limited bounds a start.
func (d *Driver) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := d.config.times.launch
	return context.WithTimeoutCause(ctx, timeout, driver.Because(context.DeadlineExceeded, "the instance did not start within %s", timeout))
}

// open makes and starts the container, and has the conversation with its guest begin. The caller closes it, after an error
// nobody has to.
func (in *instance) open(ctx context.Context, begin func(context.Context, *talk) error) (*talk, error) {
	ctx, cancel := in.d.limited(ctx)
	defer cancel()
	if !in.warm { // which gets its folder with its session
		if err := in.prepare(); err != nil {
			return nil, err
		}
	}
	if err := in.create(ctx); err != nil {
		return nil, err
	}
	talk, err := in.attach(ctx)
	if err != nil {
		// Podman has prepared the container by now, and says only that it could not. The start says why.
		if why := in.start(ctx); why != nil {
			return nil, why
		}
		return nil, err
	}
	defer talk.during(ctx)()
	if err := in.start(ctx); err != nil {
		talk.close()
		return nil, err
	}
	if err := begin(ctx, talk); err != nil {
		talk.close()
		return nil, because(ctx, err)
	}
	return talk, nil
}

// prepare makes the folder of the instance's log, without an earlier attempt's.
func (in *instance) prepare() error {
	if err := os.RemoveAll(in.folder); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	if err := os.MkdirAll(in.folder, 0o700); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}

// create makes the container. One of the same name is what an earlier attempt left: nobody else uses such names.
func (in *instance) create(ctx context.Context) error {
	options := in.d.config.describe(in.spec, in.d.groups)
	if in.warm {
		delete(options.Config.Labels, LabelSession)
		options.Config.Labels[LabelWarm] = in.spec.Session
	}
	in.asked = true
	made, err := in.d.api.ContainerCreate(ctx, options)
	if errdefs.IsConflict(err) || taken(err) {
		if err := in.d.discard(ctx, options.Name); err != nil {
			return err
		}
		made, err = in.d.api.ContainerCreate(ctx, options)
	}
	switch {
	case errdefs.IsNotFound(err):
		return driver.Because(driver.ErrMissing, "docker: the engine has no image %s any more: %w", options.Config.Image, err)
	case err != nil:
		return because(ctx, fmt.Errorf("docker: the container cannot be made: %w", err))
	}
	in.id = made.ID
	for _, warning := range made.Warnings {
		in.log.Warn("the engine warns of a container", "warning", warning)
	}
	return nil
}

// taken tells whether an error of Podman's is that a name is taken.
func taken(err error) bool { return err != nil && strings.Contains(err.Error(), "already in use") }

// start starts the container.
func (in *instance) start(ctx context.Context) error {
	_, err := in.d.api.ContainerStart(ctx, in.id, client.ContainerStartOptions{})
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), program): // which runtimes name when it is not there
		return driver.Because(driver.ErrMissing, "docker: image %s cannot run %s: %w; use one that deployments/images makes",
			in.d.config.image(in.spec.Application), program, err)
	}
	return because(ctx, fmt.Errorf("docker: the container does not start: %w", err))
}

// begin has the instance start, step by step.
func (in *instance) begin(ctx context.Context, talk *talk) error {
	if err := talk.say(guest.Order{Boot: guest.NewBoot(in.spec)}); err != nil {
		return err
	}
	if err := talk.until(func(r guest.Report) bool { return r.Up }); err != nil {
		return in.diagnose(ctx, err)
	}
	if in.spec.BeforeStreamer != nil {
		if err := in.spec.BeforeStreamer(ctx); err != nil {
			return fmt.Errorf("docker: before the streamer: %w", err)
		}
	}
	if err := talk.say(guest.Order{Go: true}); err != nil {
		return err
	}
	if err := talk.until(func(r guest.Report) bool { return r.Launched }); err != nil {
		return in.diagnose(ctx, err)
	}
	return nil
}

// diagnose is what became of a container whose guest says nothing more.
func (in *instance) diagnose(ctx context.Context, err error) error {
	var silent errSilent
	if !errors.As(err, &silent) || ctx.Err() != nil {
		return err
	}
	if waited := in.exited(ctx); waited != nil {
		return errors.Join(err, waited)
	}
	in.follow(ctx) // all of it: it has ended
	return fmt.Errorf("docker: the instance ended while it started: %s", in.judge(ctx, nil).Reason)
}

// because puts the cause of a context's end in the place of an error that only says that it ended.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// talk is a conversation with a guest.
type talk struct {
	conn  client.HijackedResponse
	lines *bufio.Reader // what the guest says
	close func()
}

// attach begins a conversation, before the container is started.
func (in *instance) attach(ctx context.Context) (*talk, error) {
	conn, err := in.d.api.ContainerAttach(ctx, in.id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true})
	if err != nil {
		return nil, because(ctx, fmt.Errorf("docker: the container cannot be talked to: %w", err))
	}
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() { // ends with the connection, which close ends
		defer close(done)
		_, err := stdcopy.StdCopy(write, io.Discard, conn.Reader)
		_ = write.CloseWithError(err) // nil is io.EOF
	}()
	return &talk{conn: conn.HijackedResponse, lines: bufio.NewReaderSize(read, guest.MaxReport), close: func() {
		conn.Close()
		_ = read.Close() // its writer then ends
		<-done
	}}, nil
}

// during ends a conversation when ctx ends, until what it returns is called.
func (t *talk) during(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, t.conn.Close)
}

// say tells the guest something.
func (t *talk) say(o guest.Order) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	if _, err := t.conn.Conn.Write(append(line, '\n')); err != nil {
		return errSilent{err}
	}
	return nil
}

// errSilent: the guest has ended, or the engine.
type errSilent struct{ error }

func (e errSilent) Error() string { return "docker: the instance says nothing: " + e.error.Error() }
func (e errSilent) Unwrap() error { return e.error }

// until reads on until the guest says what is wanted.
func (t *talk) until(wanted func(guest.Report) bool) error {
	for {
		line, err := t.lines.ReadSlice('\n')
		if err != nil {
			return errSilent{err}
		}
		r, ok := parseReport(line)
		switch {
		case !ok:
			return fmt.Errorf("docker: the container does not run `streamstack instance` of this version: it says %.80q; use an image that does", line)
		case r.Failed != nil:
			return r.Failed.Err()
		case wanted(r):
			return nil
		}
	}
}

// parseReport reads a line of a guest's; false for what is none.
func parseReport(line []byte) (r guest.Report, ok bool) {
	if len(line) > guest.MaxReport || json.Unmarshal(line, &r) != nil {
		return guest.Report{}, false
	}
	return r, r != (guest.Report{})
}
