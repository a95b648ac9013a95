package agent

import (
	"context"
	"errors"
	"sync"

	"streamstack/agent/driver"
)

// memory is a driver whose instances are entries in a map: the agent's logic is tested here, processes in
// agent/driver/process.
type memory struct {
	// launching, if not nil, runs where display and sound would start; its error is the launch's.
	launching func(context.Context, driver.Spec) error
	// launched, if not nil, runs once the streamer has been let go.
	launched func(*memoryInstance)

	mu     sync.Mutex
	live   map[string]*memoryInstance
	all    []*memoryInstance
	most   int // how many lived at once
	swept  []string
	left   []string // sessions whose instances an earlier run left
	sweeps int
	closed bool
}

func newMemory() *memory { return &memory{live: map[string]*memoryInstance{}} }

func (d *memory) Check(context.Context) error { return nil }

func (d *memory) Sweep(context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweeps++
	return d.swept, nil
}

func (d *memory) Adopt(context.Context) (found []driver.Instance, err error) {
	for _, id := range d.left {
		in := &memoryInstance{d: d, spec: driver.Spec{Session: id}, done: make(chan struct{})}
		found, err = append(found, in), errors.Join(err, d.admit(in))
	}
	return found, err
}

func (d *memory) Launch(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	in := &memoryInstance{d: d, spec: spec, done: make(chan struct{})}
	if err := d.admit(in); err != nil {
		return nil, err
	}
	if err := in.begin(ctx); err != nil {
		in.end(driver.Ending{Failed: true, Reason: err.Error()})
		return nil, err
	}
	return in, nil
}

func (d *memory) admit(in *memoryInstance) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return driver.ErrClosed
	case d.live[in.ID()] != nil:
		return driver.ErrExists
	}
	d.live[in.ID()] = in
	d.all = append(d.all, in)
	d.most = max(d.most, len(d.live))
	return nil
}

func (in *memoryInstance) begin(ctx context.Context) error {
	if in.d.launching != nil {
		if err := in.d.launching(ctx, in.spec); err != nil {
			return err
		}
	}
	if err := in.spec.BeforeStreamer(ctx); err != nil {
		return err
	}
	if in.d.launched != nil {
		in.d.launched(in)
	}
	return ctx.Err()
}

func (d *memory) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	var live []*memoryInstance
	for _, in := range d.live {
		live = append(live, in)
	}
	d.mu.Unlock()
	var errs []error
	for _, in := range live {
		errs = append(errs, in.Stop(ctx))
	}
	return errors.Join(errs...)
}

// running are the sessions that have an instance.
func (d *memory) running() []*memoryInstance {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*memoryInstance
	for _, in := range d.live {
		out = append(out, in)
	}
	return out
}

func (d *memory) mostAtOnce() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

func (d *memory) launches() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all)
}

// memoryInstance is an instance of [memory].
type memoryInstance struct {
	d    *memory
	spec driver.Spec

	once   sync.Once
	done   chan struct{}
	ending driver.Ending
}

func (in *memoryInstance) ID() string            { return in.spec.Session }
func (in *memoryInstance) Done() <-chan struct{} { return in.done }

func (in *memoryInstance) Ending() driver.Ending {
	select {
	case <-in.done:
		return in.ending
	default:
		return driver.Ending{}
	}
}

func (in *memoryInstance) Stop(context.Context) error {
	in.end(driver.Ending{Reason: "stopped on request", ExitCode: -1, LogTail: "the last line"})
	return nil
}

// end is how a test ends an instance; the first end counts.
func (in *memoryInstance) end(e driver.Ending) {
	in.once.Do(func() {
		in.d.mu.Lock()
		delete(in.d.live, in.ID())
		in.d.mu.Unlock()
		in.ending = e
		close(in.done)
	})
}
