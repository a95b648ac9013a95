package docker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/guest"
	"streamstack/agent/driver/lifetime"
)

// LabelWarm is on containers that were started before their session came, with what they were called then. A container's labels
// cannot be changed: when it has a session, only its name tells which.
const LabelWarm = "streamstack.warm"

var _ driver.Warmer = (*Driver)(nil)

// warm is a container that waits for a session; it implements driver.Warm. One goroutine owns it, [warm.wait], until Claim does.
type warm struct {
	*lifetime.Wait

	d    *Driver
	id   string
	app  application.Application // that it is meant for
	in   *instance
	talk *talk
}

// Warm starts a container whose guest waits; see [driver.Warmer].
func (d *Driver) Warm(ctx context.Context, spec driver.WarmSpec) (driver.Warm, error) {
	start := driver.Spec{Session: spec.ID, Application: spec.Application, Screen: spec.Screen, Streamer: driver.Streamer{Env: spec.Env}}
	if err := start.Check(); err != nil {
		return nil, driver.Because(driver.ErrRefused, "docker: %w", err)
	}
	in, err := d.admit(start)
	if err != nil {
		return nil, err
	}
	in.warm = true
	w := &warm{Wait: lifetime.NewWait(in.Life), d: d, id: spec.ID, app: spec.Application, in: in}
	if err := d.bring(ctx, in, func(ctx context.Context) error { return w.start(ctx) }); err != nil {
		return nil, err
	}
	go w.Own(func() (bool, error) { return w.wait(d.life) }) // ends with the container, which Close waits for, or with Claim
	return w, nil
}

// start starts the container and returns when its guest waits.
func (w *warm) start(ctx context.Context) (err error) {
	app := w.app
	app.Limits = application.Limits{} // which the container has
	order := guest.Order{Warm: &guest.Warm{ID: w.id, Application: app, Screen: w.in.spec.Screen, Env: w.in.spec.Streamer.Env}}
	w.talk, err = w.in.open(ctx, func(ctx context.Context, t *talk) error {
		if err := t.say(order); err != nil {
			return err
		}
		if err := t.until(func(r guest.Report) bool { return r.Warm }); err != nil {
			return w.in.diagnose(ctx, err)
		}
		return nil
	})
	return err
}

// wait owns the container until it is claimed.
func (w *warm) wait(ctx context.Context) (gone bool, why error) {
	waiting, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.in.awaitExit(waiting) }() // joined below
	select {
	case <-w.Taken():
		cancel()
		<-ended //nolint:errcheck // it was asked to end
		return false, nil
	case <-w.in.Stopping():
		cancel()
		<-ended //nolint:errcheck // likewise
	case err := <-ended:
		cancel()
		why = fmt.Errorf("docker: a container that waited has ended: %s", w.in.judge(ctx, err).Reason)
	}
	w.talk.close()
	if err := w.in.remove(ctx); err != nil { // at once: nobody's session is in it
		w.in.log.Warn("a container that waited is left, the next sweep removes it", "container", w.in.id, "err", err)
	}
	w.in.finish(driver.Ending{})
	return true, why
}

func (w *warm) ID() string { return w.id }

// Fits is true for applications of the same image and limits, which a container cannot change.
func (w *warm) Fits(spec driver.Spec) bool {
	c := &w.d.config
	return spec.Check() == nil && c.image(spec.Application) == c.image(w.app) && spec.Application.Limits == w.app.Limits
}

// Stop ends it; see [driver.Warm].
func (w *warm) Stop(ctx context.Context) error {
	if err := w.End(ctx); err != nil {
		return fmt.Errorf("docker: container %s that waited is %w", w.id, err)
	}
	return nil
}

// Claim makes it a session's instance; see [driver.Warm].
func (w *warm) Claim(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	if err := w.Wait.Claim(); err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	defer w.talk.close()
	if err := w.d.bring(ctx, w.in, func(ctx context.Context) error { return w.become(ctx, spec) }); err != nil {
		return nil, err
	}
	go w.in.supervise(w.d.life) //nolint:contextcheck // it ends with the instance, which Close waits for
	return w.in, nil
}

// become gives the container its session.
func (w *warm) become(ctx context.Context, spec driver.Spec) error {
	in := w.in
	if err := spec.Check(); err != nil {
		return driver.Because(driver.ErrRefused, "docker: %w", err)
	}
	if err := w.d.alias(in, spec); err != nil { // first: a Sweep must find it alive all the time
		return err
	}
	if err := in.prepare(); err != nil {
		return err
	}
	if err := w.rename(ctx, w.d.config.name(spec.Session)); err != nil {
		return errors.Join(driver.ErrCold, err)
	}
	ctx, cancel := in.d.limited(ctx)
	defer cancel()
	defer w.talk.during(ctx)()
	if err := in.begin(ctx, w.talk); err != nil {
		return because(ctx, err)
	}
	return nil
}

// rename gives the container its session's name, by which a later run knows it.
func (w *warm) rename(ctx context.Context, name string) error {
	_, err := w.d.api.ContainerRename(ctx, w.in.id, client.ContainerRenameOptions{NewName: name})
	if errdefs.IsConflict(err) || taken(err) {
		if err := w.d.discard(ctx, name); err != nil { // what an earlier attempt left
			return err
		}
		_, err = w.d.api.ContainerRename(ctx, w.in.id, client.ContainerRenameOptions{NewName: name})
	}
	if err != nil {
		return w.d.kind(fmt.Errorf("docker: name the container: %w", err))
	}
	return nil
}

// alias makes an instance known by its session, beside what it was started as.
func (d *Driver) alias(in *instance, spec driver.Spec) error {
	err := d.live.Alias(spec.Session, in, func() {
		in.former = in.spec.Session
		in.spec, in.folder = spec, filepath.Join(d.instances, spec.Session)
		in.log = d.config.Log.With("session", spec.Session)
		in.kept = newKeptLog(filepath.Join(in.folder, logFile))
	})
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}
