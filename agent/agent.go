package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/events"
	"streamstack/projections"
)

// Agent runs sessions. Make it with [New], run it with [Agent.Run].
type Agent struct {
	cfg   Config
	log   *slog.Logger
	slots *slots
	offer *offer
	rests *rests
	// readyTime is how long a launched streamer may take to be ready; tests shorten it.
	readyTime time.Duration
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
	return &Agent{
		cfg: cfg, log: cfg.Logger.With("component", "agent", "agent", cfg.ID), slots: newSlots(cfg.Slots),
		offer: newOffer(cfg.Applications), rests: newRests(), readyTime: readyTime, running: map[events.SessionID]*run{},
	}, nil
}

// Run ends what an earlier run of this agent left, then takes work until the context ends. Then it drains: no new
// claims, and every instance ends in order before Run returns. ready is called once the agent is known to the gateways.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	if err := a.cfg.Driver.Check(ctx); err != nil {
		return err
	}
	if err := a.recover(ctx); err != nil {
		return ended(ctx, err)
	}
	life, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	a.life = life
	err := ended(ctx, a.work(ctx, ready))
	return errors.Join(err, a.drain(ctx, abandon))
}

// work takes sessions until the context ends. Their runs may go on when it returns; nothing else does.
func (a *Agent) work(ctx context.Context, ready func()) error {
	group, ctx := errgroup.WithContext(ctx)
	watching := make(chan struct{})
	group.Go(func() error { return a.watch(ctx, sync.OnceFunc(func() { close(watching) })) })
	group.Go(func() error { return a.beat(ctx) })
	group.Go(func() error {
		// What is said of a session before the watch began would not reach its run.
		select {
		case <-watching:
		case <-ctx.Done():
			return fmt.Errorf("agent: %w", ctx.Err())
		}
		if err := a.online(ctx); err != nil {
			return err
		}
		a.serve(ctx, group)
		if ready != nil {
			ready()
		}
		return nil
	})
	return group.Wait()
}

// ended turns the end of a loop because the agent stops into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // every loop ends with an error; this end was asked for
	}
	return err
}

// online tells the gateways what this agent can do.
func (a *Agent) online(ctx context.Context) error {
	if err := a.heartbeat(ctx); err != nil {
		return err
	}
	d := events.OnlineData{Driver: a.cfg.DriverName, Slots: a.cfg.Slots, Version: a.cfg.Version, Applications: []events.ApplicationData{}}
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
	if _, err := a.cfg.Log.Append(ctx, events.NewAgentDraft(a.cfg.Region, a.cfg.ID, events.AgentOnline, d)); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// drain ends all instances and says good-bye. The context is over by then, so it has a time of its own; abandon ends the
// runs that it was too short for.
func (a *Agent) drain(ctx context.Context, abandon func()) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime+appendTime)
	defer cancel()
	defer context.AfterFunc(ctx, abandon)()
	a.mu.Lock()
	for _, r := range a.running {
		r.requestStop("the agent was stopped")
	}
	a.mu.Unlock()
	a.runs.Wait()
	err := a.cfg.Driver.Close(ctx)
	_, aerr := a.cfg.Log.Append(ctx, events.NewAgentDraft(a.cfg.Region, a.cfg.ID, events.AgentOffline, events.OfflineData{Reason: "stopped"}))
	if err := errors.Join(err, aerr, a.silence(ctx)); err != nil {
		return fmt.Errorf("agent: drain: %w", err)
	}
	return nil
}

// recover ends what an earlier run of this agent that died has left: its processes, and its sessions in the log.
func (a *Agent) recover(ctx context.Context) error {
	orphans, err := a.cfg.Driver.Sweep(ctx)
	if err != nil {
		return err
	}
	if len(orphans) > 0 {
		a.log.Warn("ended what an earlier run left behind", "instances", len(orphans))
	}
	open := map[events.SessionID]bool{}
	err = a.cfg.Log.Read(ctx, events.SessionsStream, events.EventFilter(a.cfg.Region, events.Agent, "*"), 0, func(e events.Event) error {
		switch {
		case !e.Sound():
		case e.Name == events.Claimed && claimant(e) == a.cfg.ID:
			open[e.Session] = true
		case e.Name == events.Claimed, events.Ending(e.Name):
			delete(open, e.Session)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("agent: read the log: %w", err)
	}
	for id := range open {
		if err := a.disown(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// claimant is who claimed a session; empty where the event does not say it.
func claimant(e events.Event) events.AgentID {
	var d events.ClaimedData
	if e.Decode(&d) != nil {
		return ""
	}
	return d.Agent
}

// disown appends the ending of a session that an earlier run of this agent held, if it has none yet: failed, or
// terminated if that had been asked for.
func (a *Agent) disown(ctx context.Context, id events.SessionID) error {
	_, _, err := projections.Decide(ctx, a.cfg.Log, a.cfg.Region, id, func(s projections.Session) (*events.Draft, error) {
		if s.Ended() || s.Agent != a.cfg.ID {
			return nil, nil
		}
		draft := events.NewDraft(a.cfg.Region, id, events.Agent, events.Failed, events.FailedData{Agent: a.cfg.ID, Attempt: s.Attempt,
			Part: "agent", Cause: events.CauseVanished, Reason: "the agent that ran the session was killed, and its instance with it"})
		if s.Status == projections.StatusTerminating {
			draft = events.NewDraft(a.cfg.Region, id, events.Agent, events.Terminated,
				events.EndedData{Agent: a.cfg.ID, Attempt: s.Attempt, Reason: s.StatusMessage})
		}
		return &draft, nil
	})
	if err != nil && !errors.Is(err, projections.ErrUnknownSession) { // the log has forgotten its creation
		return fmt.Errorf("agent: end of %s not recorded: %w", id, err)
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
