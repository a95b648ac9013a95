package ams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// launch has AMS create and start the instance, and waits until it runs. After an error the caller cleans up.
func (in *instance) launch(ctx context.Context, data string) error {
	app, err := in.d.lookup(ctx, in.spec.Application.Name)
	if err != nil {
		return err
	}
	if in.spec.BeforeStreamer != nil {
		if err := in.spec.BeforeStreamer(ctx); err != nil {
			return fmt.Errorf("ams: before the streamer: %w", err)
		}
	}
	body := launch{
		App: app, Version: in.spec.Application.Version, UserData: data, Tags: []string{tagSession + in.ID(), in.d.tag()},
		Config: launchConfig{Platform: "webrtc", Display: screen(in.spec.Screen)},
	}
	var op operation
	// Never twice: a request whose answer was lost may have made an instance.
	if err := in.d.client.do(ctx, http.MethodPost, "/1.0/instances", url.Values{"no_wait": {"false"}}, body, &op); err != nil {
		return err
	}
	in.setRemote(op.instance())
	in.log.Debug("AMS launches", "operation", op.ID, "instance", in.remote())
	return in.await(ctx, op)
}

// await waits until the operation is over and the instance runs, or tells why not. Only one of both may be to be had: AMS
// may have forgotten the operation, or may not have named the instance yet.
func (in *instance) await(ctx context.Context, op operation) error {
	news, watched := in.d.feed.watch(op.ID, in.remote())
	defer func() { watched() }()
	for {
		o, err := in.d.client.operation(ctx, op.ID)
		if named := o.instance(); err == nil && named != "" && named != in.remote() {
			in.setRemote(named)
			watched()
			news, watched = in.d.feed.watch(op.ID, named)
		}
		switch {
		case err == nil && o.StatusCode >= codeFailure:
			return in.refused(ctx, o)
		case err == nil && o.StatusCode >= codeFinal, isMissing(err) && in.remote() != "":
			running, err := in.running(ctx)
			if running || err != nil {
				return err
			}
		case isMissing(err):
			return errors.New("ams: AMS has forgotten the launch, and never named its instance")
		case isRefusal(err):
			return err
		case err != nil && ctx.Err() == nil:
			in.log.Warn("AMS does not tell how a launch goes, asking again", "err", err)
		}
		if err := in.d.feed.wait(ctx, news); err != nil {
			return fmt.Errorf("ams: the instance did not run in time: %w", err)
		}
	}
}

// running tells whether the instance runs; an error says that it never will.
func (in *instance) running(ctx context.Context) (bool, error) {
	r, err := in.d.client.instance(ctx, in.remote())
	switch {
	case isMissing(err):
		return false, errors.New("ams: the instance was deleted while it started")
	case isRefusal(err):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // asked again, until the launch's time is over
	}
	switch r.StatusCode {
	case stateRunning:
		return true, nil
	case stateError:
		return false, fmt.Errorf("ams: the instance failed: %s", r.why())
	case stateStopped, stateDeleted:
		return false, fmt.Errorf("ams: the instance was %s while it started", r.Status)
	}
	return false, nil
}

// refused is why a launch failed: the instance's own message, where there is one (section 15).
func (in *instance) refused(ctx context.Context, o operation) error {
	text := o.Err
	if in.remote() != "" {
		if r, err := in.d.client.instance(ctx, in.remote()); err == nil && r.ErrorMessage != "" {
			text = r.ErrorMessage
		}
	}
	if text == "" {
		text = "AMS gives no reason"
	}
	return fmt.Errorf("ams: AMS could not launch the instance: %s", text)
}
