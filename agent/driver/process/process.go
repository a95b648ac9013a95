package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
	"streamstack/agent/driver/process/cgroup"
)

// Driver runs instances as processes; it implements driver.Driver.
type Driver struct {
	config    Config
	instances string // folder
	host      string
	// groups is where control groups can be made: nil with an error where the host does not let us, and without where we shall not.
	groups func() (*cgroup.Host, error)

	live lifetime.Roster[*instance] // by session, and by what it was started as
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver and its folder, "instances" in the data folder. It starts nothing.
func New(config Config) (*Driver, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	data, err := filepath.Abs(config.Data)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	config.Data = data
	instances := filepath.Join(data, "instances")
	if err := os.MkdirAll(instances, 0o700); err != nil {
		return nil, fmt.Errorf("process: %w; give a data folder that can be written", err)
	}
	host, err := hostID(instances)
	if err != nil {
		return nil, err
	}
	return &Driver{config: config, instances: instances, host: host,
		groups: sync.OnceValues(func() (*cgroup.Host, error) { return openGroups(config.Limits) })}, nil
}

// Launch starts an instance; see [driver.Driver].
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	if err := spec.Check(); err != nil {
		return nil, driver.Because(driver.ErrRefused, "process: %w", err)
	}
	if len(d.config.Confine) > 0 {
		if err := checkIsolated(spec.Application); err != nil {
			return nil, err
		}
	}
	in, err := d.admit(spec)
	if err != nil {
		return nil, err
	}
	if err := d.bring(ctx, in, func(ctx context.Context) error { return in.launch(ctx, d.config.Streamer, d.config.Self) }); err != nil {
		return nil, err
	}
	go in.supervise(context.WithoutCancel(ctx)) // ends with the instance, which Close waits for
	return in, nil
}

// bring does a step of an instance's start, which Close ends; after an error nothing of the instance is left.
func (d *Driver) bring(ctx context.Context, in *instance, step func(context.Context) error) error {
	starting, cancel := context.WithTimeoutCause(ctx, startTimeout, driver.Because(context.DeadlineExceeded, "the instance did not start within %s", startTimeout))
	defer cancel()
	if err := in.Start(starting, step); err != nil {
		in.finish(context.WithoutCancel(ctx), driver.Ending{Failed: true, Reason: err.Error(), ExitCode: -1})
		return full(err)
	}
	return nil
}

// full gives errors their kind that say that this machine has no more of something.
func full(err error) error {
	for _, sign := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOMEM, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, sign) {
			return driver.Because(driver.ErrFull, "this machine is full: %w", err)
		}
	}
	return err
}

// admit reserves the session's place.
func (d *Driver) admit(spec driver.Spec) (*instance, error) {
	in, err := d.live.Admit(spec.Session, func() *instance { return d.instance(spec) })
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	return in, nil
}

// instance is one that has not begun.
func (d *Driver) instance(spec driver.Spec) *instance {
	in := &instance{
		Life:    lifetime.New(),
		spec:    spec,
		id:      spec.Session,
		name:    spec.Session,
		folder:  filepath.Join(d.instances, spec.Session),
		cache:   filepath.Join(d.config.Data, "cache"),
		marker:  d.marker(spec.Session),
		cookie:  newCookie(),
		log:     d.config.Log,
		groups:  d.groups,
		confine: d.config.Confine,
		data:    d.config.Data,
		hide:    d.config.Hide,
		sockets: d.config.Sockets,
		parts:   make(map[driver.Part]*child),
		ends:    make(chan struct{}, len(wholeInstance)),
	}
	in.ended = func() { d.forget(in) }
	return in
}

// forget gives the session's place back, and drops the logs of instances that ended long ago.
func (d *Driver) forget(in *instance) {
	d.live.Forget(in.ID(), in.name)
	if err := d.prune(); err != nil {
		d.config.Log.Warn("old logs could not be removed", "error", err)
	}
}

// Close stops every instance; see [driver.Driver].
func (d *Driver) Close(ctx context.Context) error {
	return d.live.Close(ctx)
}

func (d *Driver) marker(session string) string { return d.host + "/" + session }
