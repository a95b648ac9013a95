package ams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// instance is one session's. Launch starts it; from then on one goroutine, supervise, owns its end.
type instance struct {
	*lifetime.Life

	d    *Driver
	spec driver.Spec
	log  *slog.Logger

	mu sync.Mutex
	id string // AMS's; empty until it has told it
}

func (in *instance) ID() string { return in.spec.Session }

func (in *instance) Stop(ctx context.Context) error {
	if err := in.End(ctx); err != nil {
		return fmt.Errorf("ams: instance %s of session %s is %w", in.remote(), in.ID(), err)
	}
	return nil
}

func (in *instance) remote() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.id
}

func (in *instance) setRemote(id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if id != "" {
		in.id = id
	}
}

func (in *instance) finish(e driver.Ending) {
	in.d.live.Forget(in.ID())
	in.Finish(e)
}

// supervise watches a running instance until it ends or shall end. When ctx ends first, done stays open: nobody knows.
func (in *instance) supervise(ctx context.Context) {
	news, watched := in.d.feed.watch(in.remote())
	defer watched()
	for {
		select {
		case <-in.Stopping():
			if in.remove(ctx, news, in.d.config.times.grace) {
				in.finish(driver.Ending{Reason: "stopped on request", ExitCode: -1})
			}
			return
		default:
		}
		r, err := in.d.client.instance(ctx, in.remote())
		if e, over := judge(r, err); over {
			in.log.Info("AMS's instance is over", "instance", in.remote(), "reason", e.Reason)
			if in.remove(ctx, news, 0) { // a stopped one keeps its disk
				in.finish(e)
			}
			return
		}
		if err != nil && ctx.Err() == nil {
			in.log.Warn("AMS does not tell an instance's state, it counts as running", "instance", in.remote(), "err", err)
		}
		if in.rest(ctx, news) != nil {
			return
		}
	}
}

// rest waits until it is time to look, or to stop.
func (in *instance) rest(ctx context.Context, news <-chan struct{}) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-in.Stopping():
			cancel()
		case <-waiting.Done():
		}
	})
	if err := in.d.feed.wait(waiting, news); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// judge tells by section 8 whether an instance that ran has ended. What cannot be told is asked again.
func judge(r remote, err error) (driver.Ending, bool) {
	e := driver.Ending{Part: driver.PartInstance, ExitCode: -1}
	switch {
	case isMissing(err), err == nil && r.StatusCode == stateDeleted:
		e.Reason = "the instance was deleted in AMS"
	case err != nil:
		return driver.Ending{}, false
	case r.StatusCode == stateStopped:
		e.Reason = "the instance was stopped in AMS"
	case r.StatusCode == stateError:
		e.Failed, e.Reason = true, "the instance failed: "+r.why()
	default:
		return driver.Ending{}, false
	}
	return e, true
}

// remove deletes the instance, by force once grace is over, and returns when it is gone; false when ctx ended first.
// It is asked for again where it does not come about, and an AMS that is away is asked until it is back.
func (in *instance) remove(ctx context.Context, news <-chan struct{}, grace time.Duration) bool {
	began := time.Now()
	var next time.Time // to ask
	for {
		if now := time.Now(); !now.Before(next) {
			force := now.Sub(began) >= grace
			next = now.Add(graceTime)
			if err := in.d.client.remove(ctx, in.remote(), force); err != nil {
				next = now.Add(retryFirst)
				in.log.Warn("AMS does not delete an instance, trying again", "instance", in.remote(), "err", err)
			} else if !force {
				next = began.Add(grace)
			}
		}
		r, err := in.d.client.instance(ctx, in.remote())
		if isMissing(err) || err == nil && r.StatusCode == stateDeleted {
			return true
		}
		wait, cancel := context.WithDeadline(ctx, next)
		err = in.d.feed.wait(wait, news)
		cancel()
		if err != nil && ctx.Err() != nil {
			in.log.Error("AMS has not ended an instance, the next start of the agent will", "instance", in.remote(), "err", err)
			return false
		}
	}
}

// clean removes what a launch that failed has left: the instance that AMS named, and any that AMS made without our getting
// to know.
func (in *instance) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, in.d.config.times.clean, errors.New("out of time"))
	defer cancel()
	if in.remote() == "" {
		found, err := in.d.client.tagged(ctx, tagSession+in.ID(), in.d.tag())
		if err != nil {
			in.log.Warn("AMS does not tell what a failed launch has left, the janitor asks again", "err", err)
			return
		}
		if len(found) == 0 {
			return
		}
		in.setRemote(found[0].ID) // one request can have made one
	}
	news, watched := in.d.feed.watch(in.remote())
	defer watched()
	in.remove(ctx, news, 0)
}
