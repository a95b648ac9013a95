package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// refillAfter is how long after a session has taken an instance the next one is started: the session's own beginning comes
// first on a machine that is small.
const refillAfter = 2 * time.Second

// pool keeps instances up that wait for sessions (see [driver.Warmer]): as many as are wanted, but never more than there are free
// slots, and none while the agent drains. Which applications they are meant for follows what the last sessions were; where every
// instance fits every application, as with the process driver, that makes no difference.
//
// Who waits, and is had by whom, is in waiting.go; which are to be started or ended in warm_plan.go.
//
// A start that fails, or an instance that ends while it waits, is followed by a rest that doubles each time.
type pool struct {
	warmer driver.Warmer
	want   int
	log    *slog.Logger
	env    []string      // of the streamers
	limit  time.Duration // of a start
	// refill is refillAfter, first and most are the rests; tests shorten them.
	refill, first, most time.Duration

	news chan struct{} // something has changed that counts
	// changed gets something when the number of those that wait has changed.
	changed chan struct{}

	mu     sync.Mutex
	idle   []*waiting
	recent []string // the applications of the last sessions, newest first
	taken  time.Time
	rest   time.Duration // the last one
	until  time.Time     // its end
}

// newPool makes the pool of an agent; without instances it is nil, which all methods take.
func newPool(cfg Config, log *slog.Logger) (*pool, error) {
	if cfg.Warm == 0 {
		return nil, nil //nolint:nilnil // as the comment says
	}
	if cfg.Warm < 0 {
		return nil, fmt.Errorf("agent: %d instances to wait for sessions: 0 is the least", cfg.Warm)
	}
	warmer, able := cfg.Driver.(driver.Warmer)
	if !able {
		return nil, fmt.Errorf("agent: the driver %s starts no instances before their sessions: leave --warm out", cfg.DriverName)
	}
	return &pool{
		warmer: warmer, want: cfg.Warm, log: log, limit: cmp.Or(cfg.LaunchTime, launchTime),
		env:    append([]string{"STREAMSTACK_REGION=" + string(cfg.Region)}, cfg.StreamerEnv...),
		refill: refillAfter, first: restFirst, most: restMost, news: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}, nil
}

// poke has the pool look at what has changed.
func (p *pool) poke() {
	if p != nil {
		tell(p.news)
	}
}

// tell leaves word for somebody who has not looked since the last time.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// keep starts and ends instances until the context ends; what then waits is the driver's to end (Close). room tells how many may
// wait now.
func (p *pool) keep(ctx context.Context, room func() int, offer *offer) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		app, surplus, wait := p.next(room(), offer.get())
		switch {
		case surplus != nil:
			p.end(ctx, surplus)
			continue
		case app != nil && wait <= 0:
			if w, err := p.start(ctx, *app); err == nil {
				watches.Go(func() { p.watch(ctx, w) })
			} else if ctx.Err() == nil {
				p.failed(err)
			}
			if ctx.Err() == nil {
				continue
			}
		case app != nil:
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("agent: warm instances: %w", ctx.Err())
		case <-p.news:
		case <-timer.C:
		}
	}
}

// start starts one.
func (p *pool) start(ctx context.Context, a application.Application) (*waiting, error) {
	id := "warm-" + uuid.NewString()
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	s := asked(a)
	w, err := p.warmer.Warm(ctx, driver.WarmSpec{ID: id, Application: a, Screen: s.Screen, Env: append([]string{"STREAMSTACK_SESSION=" + id}, p.env...)})
	if err != nil {
		return nil, err //nolint:wrapcheck // it is logged
	}
	p.log.Info("an instance waits for a session", "instance", id, "app", a.Name)
	one := &waiting{Warm: w, app: a.Name, out: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, one)
	tell(p.changed)
	return one, nil
}

// watch sees that one ends by itself.
func (p *pool) watch(ctx context.Context, w *waiting) {
	select {
	case <-ctx.Done():
		return
	case <-w.out:
		return
	case <-w.Done():
	}
	p.mu.Lock()
	mine := p.drop(w)
	p.mu.Unlock()
	if mine {
		p.failed(w.Err())
		p.poke()
	}
}

// failed begins a rest, longer than the last.
func (p *pool) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = min(max(2*p.rest, p.first), p.most)
	p.until = time.Now().Add(p.rest)
	p.log.Warn("an instance that was to wait for a session does not; sessions start without", "again_in", p.rest, "err", err)
}

// end ends one that nobody wants.
func (p *pool) end(ctx context.Context, w *waiting) {
	p.mu.Lock()
	mine := p.drop(w)
	p.mu.Unlock()
	if !mine {
		return // it has ended, or somebody has taken it
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		p.log.Warn("an instance that waited does not end in order", "instance", w.ID(), "err", err)
	}
}

// launchOn starts a session's instance: one that waits for it, or a new one.
func (r *run) launchOn(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	if w := r.a.pool.take(spec); w != nil {
		r.warm = true
		inst, err := w.Claim(ctx, spec)
		if !errors.Is(err, driver.ErrCold) {
			return inst, err //nolint:wrapcheck // its text is the reason in the history
		}
		r.warm = false
		r.a.log.Warn("the instance that waited does not do, a new one is started", "session", r.s.ID, "err", err)
	}
	return r.a.cfg.Driver.Launch(ctx, spec) //nolint:wrapcheck // as above
}
