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
	timeout := in.d.config.times.launch
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, driver.Because(context.DeadlineExceeded, "the instance did not start within %s", timeout))
	defer cancel()
	if err := in.prepare(); err != nil {
		return err
	}
	if err := in.create(ctx); err != nil {
		return err
	}
	talk, err := in.attach(ctx)
	if err != nil {
		// Podman has prepared the container by now, and says only that it could not. The start says why.
		if why := in.start(ctx); why != nil {
			return why
		}
		return err
	}
	defer talk.close()
	if err := in.start(ctx); err != nil {
		return err
	}
	if err := in.begin(ctx, talk); err != nil {
		return because(ctx, err)
	}
	return nil
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
	made, err := in.d.api.ContainerCreate(ctx, options)
	if errdefs.IsConflict(err) || err != nil && strings.Contains(err.Error(), "already in use") { // the latter from Podman
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
	if _, err := talk.until(func(r guest.Report) bool { return r.Up }); err != nil {
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
	if _, err := talk.until(func(r guest.Report) bool { return r.Launched }); err != nil {
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

// attach begins a conversation, before the container is started. It ends with ctx.
func (in *instance) attach(ctx context.Context) (*talk, error) {
	conn, err := in.d.api.ContainerAttach(ctx, in.id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true})
	if err != nil {
		return nil, because(ctx, fmt.Errorf("docker: the container cannot be talked to: %w", err))
	}
	stop := context.AfterFunc(ctx, conn.Close)
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() { // ends with the connection, which close ends
		defer close(done)
		_, err := stdcopy.StdCopy(write, io.Discard, conn.Reader)
		_ = write.CloseWithError(err) // nil is io.EOF
	}()
	return &talk{conn: conn.HijackedResponse, lines: bufio.NewReaderSize(read, guest.MaxReport), close: func() {
		stop()
		conn.Close()
		_ = read.Close() // its writer then ends
		<-done
	}}, nil
}

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
func (t *talk) until(wanted func(guest.Report) bool) (guest.Report, error) {
	for {
		line, err := t.lines.ReadSlice('\n')
		if err != nil {
			return guest.Report{}, errSilent{err}
		}
		r, ok := parseReport(line)
		switch {
		case !ok:
			return r, fmt.Errorf("docker: the container does not run `streamstack instance` of this version: it says %.80q; use an image that does", line)
		case r.Failed != nil:
			return r, r.Failed.Err()
		case wanted(r):
			return r, nil
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
