package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/moby/moby/client"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// Driver has a container engine run instances; it implements driver.Driver.
type Driver struct {
	config    Config
	api       *client.Client
	instances string   // folder
	groups    []string // that the render nodes belong to
	pulls     pulls

	// life is that of the goroutines, which Close ends and joins.
	life context.Context //nolint:containedctx // it bounds goroutines that the driver owns, not a call
	end  context.CancelFunc
	work sync.WaitGroup

	live lifetime.Roster[*instance] // by session, and by what it was called before it had one
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver and its folder, "instances" in the data folder. It talks to no engine yet; [Driver.Close] ends what is
// started later. Of ctx it takes the values only.
func New(ctx context.Context, config Config) (*Driver, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	instances, err := filepath.Abs(filepath.Join(config.Data, "instances"))
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	if err := os.MkdirAll(instances, 0o700); err != nil {
		return nil, fmt.Errorf("docker: %w; give a data folder that can be written", err)
	}
	api, err := newClient(config)
	if err != nil {
		return nil, err
	}
	d := &Driver{config: config, api: api, instances: instances}
	d.groups = renderGroups(config.Engine, driFolder)
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	return d, nil
}

// Launch starts a container; see [driver.Driver]. It waits for an image that is missing, which is fetched on also when ctx
// ends meanwhile: the next launch finds it further.
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	if err := spec.Check(); err != nil {
		return nil, driver.Because(driver.ErrRefused, "docker: %w", err)
	}
	in, err := d.admit(spec)
	if err != nil {
		return nil, err
	}
	if err := d.bring(ctx, in, in.launch); err != nil {
		return nil, err
	}
	go in.supervise(d.life) //nolint:contextcheck // it ends with the instance, which Close waits for
	return in, nil
}

// bring has an instance start, unless Close comes in between. After an error nothing is left of it.
func (d *Driver) bring(ctx context.Context, in *instance, start func(context.Context) error) error {
	err := in.Start(ctx, start)
	if err == nil {
		return nil
	}
	in.clean(d.life) //nolint:contextcheck // ctx may be why it failed
	in.finish(driver.Ending{Part: driver.PartInstance, Failed: true, Reason: err.Error(), ExitCode: -1})
	return d.kind(err)
}

// admit reserves the session's place, and counts it as work that Close waits for.
func (d *Driver) admit(spec driver.Spec) (*instance, error) {
	in, err := d.live.Admit(spec.Session, func() *instance {
		d.work.Add(1)
		return newInstance(d, spec)
	})
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	return in, nil
}

// enter begins work that Close waits for.
func (d *Driver) enter(work func()) error {
	if err := d.live.Enter(func() { d.work.Go(work) }); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}

// forget gives the session's place back, and drops the logs of instances that ended long ago.
func (d *Driver) forget(in *instance) {
	d.live.Forget(in.spec.Session, in.former)
	if err := d.prune(); err != nil {
		d.config.Log.Warn("old logs could not be removed", "err", err)
	}
}

// Close stops every instance; see [driver.Driver]. What the engine has not ended by then is left to the next run's Sweep.
func (d *Driver) Close(ctx context.Context) error {
	err := d.live.Close(ctx)
	d.end()
	d.work.Wait()
	return errors.Join(err, d.api.Close())
}
