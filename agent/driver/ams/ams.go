package ams

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"streamstack/agent/driver"
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

	mu     sync.Mutex
	closed bool
	live   map[string]*instance // by session
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
	d := &Driver{config: config, client: c, feed: newFeed(c, config.times), live: map[string]*instance{}}
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
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-in.stopping: // by Close
			cancel(driver.ErrClosed)
		case <-ctx.Done():
		}
	})
	err = in.launch(ctx, data)
	cancel(nil)
	watch.Wait()
	if err != nil {
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
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("ams: %w", driver.ErrClosed)
	}
	if _, taken := d.live[spec.Session]; taken {
		return nil, fmt.Errorf("ams: %s: %w", spec.Session, driver.ErrExists)
	}
	in := &instance{d: d, spec: spec, log: d.config.Log.With("session", spec.Session),
		stopping: make(chan struct{}), done: make(chan struct{})}
	d.live[spec.Session] = in
	d.work.Add(1)
	return in, nil
}

func (d *Driver) forget(in *instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, in.ID())
}

// owned tells whether an instance belongs to a session that lives, or is being launched.
func (d *Driver) owned(r remote) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.live[r.session()]
	if in == nil {
		return false
	}
	id := in.remote()
	return id == "" || id == r.ID
}

// Close stops every instance; see [driver.Driver]. What AMS has not ended by then is left to the next run's Sweep.
func (d *Driver) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	live := slices.Collect(maps.Values(d.live))
	d.mu.Unlock()
	for _, in := range live {
		in.requestStop() // all at once
	}
	var errs []error
	for _, in := range live {
		errs = append(errs, in.Stop(ctx))
	}
	d.end()
	d.work.Wait()
	d.client.http.CloseIdleConnections()
	return errors.Join(errs...)
}

func (d *Driver) tag() string { return tagAgent + d.config.Agent }
