package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// instance is one session's container. Launch starts it; from then on one goroutine, supervise, owns its end.
type instance struct {
	*lifetime.Life

	d      *Driver
	spec   driver.Spec
	folder string // its log
	log    *slog.Logger
	kept   *keptLog

	warm   bool   // started before its session came
	former string // what it was called then, once it has one

	id    string // the container's; set before supervise, empty until there is one
	asked bool   // the engine was asked to make it, so that there may be one whose id never arrived
}

func newInstance(d *Driver, spec driver.Spec) *instance {
	folder := filepath.Join(d.instances, spec.Session)
	return &instance{Life: lifetime.New(), d: d, spec: spec, folder: folder, log: d.config.Log.With("session", spec.Session),
		kept: newKeptLog(filepath.Join(folder, logFile))}
}

func (in *instance) ID() string { return in.spec.Session }

func (in *instance) Stop(ctx context.Context) error {
	if err := in.End(ctx); err != nil {
		return fmt.Errorf("docker: instance %s is %w", in.ID(), err)
	}
	return nil
}

// finish lets Done be seen.
func (in *instance) finish(ending driver.Ending) {
	if err := in.kept.close(); err != nil {
		in.log.Warn("an instance's log could not be written", "err", err)
	}
	in.d.forget(in)
	in.Finish(ending)
	in.d.work.Done()
}

// supervise waits for the container's end, or has it stopped; it removes what is left and tells how it ended. ctx is the
// driver's life: should that end first, the container is left to the next run's Sweep.
func (in *instance) supervise(ctx context.Context) {
	following, unfollow := context.WithCancel(ctx)
	var followed sync.WaitGroup
	followed.Go(func() { in.follow(following) })

	waiting, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- in.awaitExit(waiting) }() // joined below
	var err error
	select {
	case err = <-ended:
	case <-in.Stopping():
		err = in.stop(ctx)
		cancel()
		<-ended //nolint:errcheck // it was asked to end
	}
	cancel()
	// What it printed last is on the way here.
	late := time.AfterFunc(logPatience, unfollow)
	followed.Wait()
	late.Stop()
	unfollow()
	ending := in.judge(ctx, err)
	if err := in.remove(ctx); err != nil {
		in.log.Warn("an ended container is left, the next sweep removes it", "container", in.id, "err", err)
	}
	in.finish(ending)
}

// errVanished: somebody removed the container.
var errVanished = errors.New("docker: the container was removed by somebody else")

// awaitExit returns when the container has ended, errVanished when there is none any more, or ctx's error. An engine that is
// away is asked again.
func (in *instance) awaitExit(ctx context.Context) error {
	told := false
	for {
		err := in.exited(ctx)
		switch {
		case err == nil:
			return nil
		case errdefs.IsNotFound(err):
			return errVanished
		case ctx.Err() != nil:
			return fmt.Errorf("docker: %w", context.Cause(ctx))
		case !told:
			told = true
			in.log.Warn("the engine does not tell how an instance fares, asking again", "err", err)
		}
		if err := sleep(ctx, in.d.config.times.retry); err != nil {
			return err
		}
	}
}

// exited waits in the engine.
func (in *instance) exited(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends the wait's goroutine
	wait := in.d.api.ContainerWait(ctx, in.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends the container in order, and asks an engine that is away again until ctx ends.
func (in *instance) stop(ctx context.Context) error {
	grace := int(stopGrace.Seconds())
	return in.insist(ctx, func(ctx context.Context) error {
		_, err := in.d.api.ContainerStop(ctx, in.id, client.ContainerStopOptions{Timeout: &grace})
		return err
	})
}

// remove removes the container, whatever its state, and asks an engine that is away again until ctx ends.
func (in *instance) remove(ctx context.Context) error {
	return in.insist(ctx, func(ctx context.Context) error { return in.d.discard(ctx, in.id) })
}

// discard removes a container by its id or name, whatever its state. That there is none is no error.
func (d *Driver) discard(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.times.request)
	defer cancel()
	_, err := d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("docker: remove container: %w", err)
	}
	return nil
}

// insist repeats what failed because the engine was away or busy, until ctx ends. A container that is gone is no failure.
func (in *instance) insist(ctx context.Context, do func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, in.d.config.times.request)
		err := do(once)
		cancel()
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("docker: %w", err)
		}
		in.log.Debug("the engine does not end an instance, asking again", "err", err)
		if sleep(ctx, in.d.config.times.retry) != nil {
			return fmt.Errorf("docker: %w", err)
		}
	}
}

// clean removes what a failed launch has made, in bounded time; what is left then is the next sweep's. A container whose making was
// asked for and never answered is known by its name; what the engine makes of that only after this is the sweep's as well.
func (in *instance) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, in.d.config.times.clean)
	defer cancel()
	if !in.asked {
		return
	}
	id := cmp.Or(in.id, in.d.config.name(in.spec.Session))
	if err := in.d.discard(ctx, id); err != nil {
		in.log.Warn("the container of a failed launch may be left, the next sweep removes it", "container", id, "err", err)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("docker: %w", context.Cause(ctx))
	}
}
