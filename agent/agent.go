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
		running: map[events.SessionID]*run{},
	}, nil
}

// Run ends what an earlier run of this agent left, then takes work until the context ends. Then it drains: no new
// claims, and every instance ends in order before Run returns. ready is called once the agent is known to the gateways.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	if err := a.cfg.Driver.Check(ctx); err != nil {
		return err
	}
	if err := a.recover(ctx); err != nil {
		return err
	}
	group, work := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(work, a.watch(work)) })
	group.Go(func() error { return ended(work, a.beat(work)) })
	if err := a.online(ctx); err != nil {
		return errors.Join(err, a.drain(ctx))
	}
	for _, name := range a.cfg.Applications.Names() {
		group.Go(func() error { return ended(work, a.pull(work, name)) })
	}
	if ready != nil {
		ready()
	}
	err := group.Wait()
	return errors.Join(err, a.drain(ctx))
}

// ended turns the end of a loop because the agent stops into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// online tells the gateways what this agent can do.
func (a *Agent) online(ctx context.Context) error {
	if err := a.heartbeat(ctx); err != nil {
		return err
	}
	d := events.OnlineData{Driver: a.cfg.DriverName, Slots: a.cfg.Slots, Version: a.cfg.Version, Applications: []events.ApplicationData{}}
	for _, name := range a.cfg.Applications.Names() {
		app := events.ApplicationData{Name: name}
		for _, v := range a.cfg.Applications.All() {
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

// drain ends all instances and says good-bye. The context is over by then, so it has a time of its own.
func (a *Agent) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime+appendTime)
	defer cancel()
	a.mu.Lock()
	for _, r := range a.running {
		r.requestStop("the agent was stopped")
	}
	a.mu.Unlock()
	a.runs.Wait() // each is bounded by stopTime and appendTime
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
		var d events.ClaimedData // endings name no agent that matters here
		if e.Is(events.Agent, events.Claimed) && e.Decode(&d) == nil {
			open[e.Session] = d.Agent == a.cfg.ID
		}
		if events.Ending(e.Name) {
			open[e.Session] = false
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("agent: read the log: %w", err)
	}
	for id, mine := range open {
		if !mine {
			continue
		}
		if err := a.fail(ctx, id, events.FailedData{Agent: a.cfg.ID, Part: "agent",
			Reason: "the agent that ran the session was killed, and its instance with it"}); err != nil {
			return err
		}
	}
	return nil
}

// fail appends failed to a session that this agent holds, if it has no ending yet.
func (a *Agent) fail(ctx context.Context, id events.SessionID, d events.FailedData) error {
	_, _, err := projections.Decide(ctx, a.cfg.Log, a.cfg.Region, id, func(s projections.Session) (*events.Draft, error) {
		if s.Ended() || s.Agent != a.cfg.ID {
			return nil, nil
		}
		d.Attempt = s.Attempt
		draft := events.NewDraft(a.cfg.Region, id, events.Agent, events.Failed, d)
		return &draft, nil
	})
	if err != nil {
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
