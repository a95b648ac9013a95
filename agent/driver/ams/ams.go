package ams

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// Driver has AMS run instances; it implements driver.Driver.
type Driver struct {
	config Config
	client *client
	feed   *feed
	apps   apps

	// life is that of the goroutines, which Close ends and joins.
	life  context.Context //nolint:containedctx // it bounds goroutines that the driver owns, not a call
	end   context.CancelFunc
	work  sync.WaitGroup
	begin sync.Once

	live lifetime.Roster[*instance] // by session
}

var _ driver.Driver = (*Driver)(nil)

// New makes a driver. It reads the certificates and starts nothing; [Driver.Close] ends what is started later. Of ctx it
// takes the values only.
func New(ctx context.Context, config Config) (*Driver, error) {
	if config.times == (times{}) {
		config.times = defaultTimes()
	}
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	d := &Driver{config: config, client: c, feed: newFeed(c, config.times)}
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	return d, nil
}

// Check asks AMS whether it knows the agent's certificate, and can do what is needed; see [driver.Driver].
func (d *Driver) Check(ctx context.Context) error {
	own, err := ownCertificate(d.config.Certificate, d.config.Key)
	if err != nil {
		return err
	}
	var status struct {
		Auth       string   `json:"auth"`
		Extensions []string `json:"api_extensions"`
	}
	if err := d.client.get(ctx, "/1.0", nil, &status); err != nil {
		return fmt.Errorf("%w (AMS at %s)", err, d.config.URL)
	}
	if status.Auth != "trusted" {
		return d.untrusted(own)
	}
	if !slices.Contains(status.Extensions, "instance_support") {
		return errors.New("ams: this AMS is too old: it knows no instances (its api_extensions lack instance_support); upgrade it")
	}
	return nil
}

func (d *Driver) untrusted(own *tls.Certificate) error {
	return fmt.Errorf("ams: AMS does not trust the agent's certificate %s (%s): have its administrator run: amc auth identity create tls/%s %s",
		d.config.Certificate, fingerprint(own.Leaf.Raw), d.config.Agent, d.config.Certificate)
}

// start starts the event socket and the janitor, once.
func (d *Driver) start() {
	d.begin.Do(func() {
		d.work.Go(func() { d.feed.run(d.life) })
		d.work.Go(func() { d.janitor(d.life) })
	})
}

// Launch has AMS start an instance, and returns when it runs; see [driver.Driver]. BeforeStreamer is called before AMS is
// asked: the streamer starts with the instance.
func (d *Driver) Launch(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	data, err := userData(spec)
	if err != nil {
		return nil, driver.Because(driver.ErrRefused, "%w", err)
	}
	in, err := d.admit(spec)
	if err != nil {
		return nil, err
	}
	d.start()
	if err := in.Start(ctx, func(ctx context.Context) error { return in.launch(ctx, data) }); err != nil {
		in.clean(d.life) //nolint:contextcheck // ctx may be why it failed
		in.finish(driver.Ending{Part: driver.PartInstance, Failed: true, Reason: err.Error(), ExitCode: -1})
		d.work.Done()
		return nil, kind(err)
	}
	go func() {
		defer d.work.Done()
		in.supervise(d.life)
	}()
	return in, nil
}

// admit reserves the session's place, and counts it as work that Close waits for.
func (d *Driver) admit(spec driver.Spec) (*instance, error) {
	in, err := d.live.Admit(spec.Session, func() *instance {
		d.work.Add(1)
		return &instance{Life: lifetime.New(), d: d, spec: spec, log: d.config.Log.With("session", spec.Session)}
	})
	if err != nil {
		return nil, fmt.Errorf("ams: %w", err)
	}
	return in, nil
}

// owned tells whether an instance belongs to a session that lives, or is being launched.
func (d *Driver) owned(r remote) bool {
	in, lives := d.live.Find(r.session())
	if !lives {
		return false
	}
	id := in.remote()
	return id == "" || id == r.ID
}

// Close stops every instance; see [driver.Driver]. What AMS has not ended by then is left to the next run's Sweep.
func (d *Driver) Close(ctx context.Context) error {
	err := d.live.Close(ctx)
	d.end()
	d.work.Wait()
	d.client.http.CloseIdleConnections()
	return err
}

func (d *Driver) tag() string { return tagAgent + d.config.Agent }
