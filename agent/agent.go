package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/agent/driver"
	"streamstack/events"
)

// Agent runs sessions. Make it with [New], run it with [Agent.Run].
type Agent struct {
	cfg   Config
	log   *slog.Logger
	slots *slots
	offer *offer
	rests *rests
	gate  *gate
	pool  *pool // nil where no instance waits for a session
	// readyTime is how long a launched streamer may take to be ready; tests shorten it.
	readyTime time.Duration
	// janitorTime is the time between two looks of the janitor, hangTime how long a streamer may give no sign of life; tests
	// shorten them.
	janitorTime, hangTime time.Duration
	// lost gets something when a session has ended because its agent was lost.
	lost chan struct{}
	// life is the context of the runs: it outlives that of [Agent.Run] by the time that draining may take.
	life context.Context //nolint:containedctx // it bounds goroutines that Run owns, not a call

	mu      sync.Mutex
	running map[events.SessionID]*run
	runs    sync.WaitGroup
}

// New makes an agent; nothing runs yet.
func New(cfg Config) (*Agent, error) {
	if !events.ValidToken(string(cfg.Region)) {
		return nil, fmt.Errorf("agent: region %q must be 1 to 63 of a-z, 0-9 and -", cfg.Region)
	}
	if !events.ValidToken(string(cfg.ID)) {
		return nil, fmt.Errorf("agent: id %q must be 1 to 63 of a-z, 0-9 and -", cfg.ID)
	}
	if cfg.Slots < 1 {
		return nil, fmt.Errorf("agent: %d slots: at least 1 is needed to run anything", cfg.Slots)
	}
	log := cfg.Logger.With("component", "agent", "agent", cfg.ID)
	pool, err := newPool(cfg, log)
	if err != nil {
		return nil, err
	}
	return &Agent{
		cfg: cfg, log: log, pool: pool, slots: newSlots(cfg.Slots),
		offer: newOffer(cfg.Applications), rests: newRests(), gate: newGate(), readyTime: cmp.Or(cfg.ReadyTime, readyTime), janitorTime: janitorEvery, hangTime: cmp.Or(cfg.HangTime, hangTime), running: map[events.SessionID]*run{},
		lost: make(chan struct{}, 1),
	}, nil
}

// Run takes over or ends what an earlier run of this agent left, then takes work until the context ends. Then it drains: no
// new claims, and every instance ends in order before Run returns. ready is called once the agent is known to the gateways.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	if err := a.cfg.Driver.Check(ctx); err != nil {
		return err
	}
	kept, err := a.recover(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	life, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	a.life = life
	err = ended(ctx, a.work(ctx, kept, ready))
	return errors.Join(err, a.drain(ctx, abandon))
}

// work takes sessions until the context ends. Their runs may go on when it returns; nothing else does.
func (a *Agent) work(ctx context.Context, kept []driver.Instance, ready func()) error {
	group, ctx := errgroup.WithContext(ctx)
	watching := make(chan struct{})
	group.Go(func() error { return a.watch(ctx, sync.OnceFunc(func() { close(watching) })) })
	group.Go(func() error { return a.beat(ctx) })
	group.Go(func() error { return a.janitor(ctx) })
	group.Go(func() error {
		// What is said of a session before the watch began would not reach its run.
		select {
		case <-watching:
		case <-ctx.Done():
			return fmt.Errorf("agent: %w", ctx.Err())
		}
		if err := a.takeOver(ctx, kept); err != nil {
			return err
		}
		since, err := a.online(ctx, false)
		if err != nil {
			return err
		}
		group.Go(func() error { return a.obey(ctx, since) })
		a.serve(ctx, group)
		if a.pool != nil {
			group.Go(func() error { return a.pool.keep(ctx, a.warmRoom, a.offer) })
		}
		if ready != nil {
			ready()
		}
		return nil
	})
	return group.Wait()
}

// warmRoom is how many instances may wait for sessions: as many as could be taken now.
func (a *Agent) warmRoom() int {
	if a.gate.shut() {
		return 0
	}
	return a.slots.left()
}

// ended turns the end of a loop because the agent stops into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // every loop ends with an error; this end was asked for
	}
	return err
}

// online tells the gateways what this agent can do, and returns where that stands in the log; again tells that it did before.
func (a *Agent) online(ctx context.Context, again bool) (events.Seq, error) {
	if err := a.heartbeat(ctx); err != nil {
		return 0, err
	}
	d := events.OnlineData{Driver: a.cfg.DriverName, Slots: a.cfg.Slots, Version: a.cfg.Version, Applications: []events.ApplicationData{}, GPUs: a.cfg.GPUs, Again: again}
	apps := a.offer.get()
	for _, name := range apps.Names() {
		app := events.ApplicationData{Name: name}
		for _, v := range apps.All() {
			if v.Name == name {
				app.Versions = append(app.Versions, v.Version)
				app.Screen = events.Screen{Width: v.Screen.Width, Height: v.Screen.Height, FPS: v.Screen.FPS}
			}
		}
		d.Applications = append(d.Applications, app)
	}
	seq, err := a.cfg.Log.Append(ctx, events.NewAgentDraft(a.cfg.Region, a.cfg.ID, events.AgentOnline, d))
	if err != nil {
		return 0, fmt.Errorf("agent: %w", err)
	}
	return seq, nil
}

// drain ends all instances and says good-bye. The context is over by then, so it has a time of its own; abandon ends the
// runs that it was too short for.
func (a *Agent) drain(ctx context.Context, abandon func()) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime+appendTime)
	defer cancel()
	defer context.AfterFunc(ctx, abandon)()
	a.stopAll("the agent was stopped")
	a.runs.Wait()
	err := a.cfg.Driver.Close(ctx)
	_, aerr := a.cfg.Log.Append(ctx, events.NewAgentDraft(a.cfg.Region, a.cfg.ID, events.AgentOffline, events.OfflineData{Reason: "stopped"}))
	if err := errors.Join(err, aerr, a.silence(ctx)); err != nil {
		return fmt.Errorf("agent: drain: %w", err)
	}
	return nil
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("agent: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
