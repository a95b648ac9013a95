package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
)

// gate is shut while the agent drains.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while work is taken
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

// set opens or shuts the gate; it tells whether that is a change.
func (g *gate) set(open bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
			return true
		}
	default:
		if open {
			close(g.open)
			return true
		}
	}
	return false
}

// shut tells whether no work is taken.
func (g *gate) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		return false
	default:
		return true
	}
}

// wait returns when work is taken.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("agent: %w", ctx.Err())
	}
}

// obey does what gateways say to this agent, until the context ends: drain and resume. What counts is the log, from the
// agent's own beginning on; a message on the events' subject only says that it is time to look.
func (a *Agent) obey(ctx context.Context, since events.Seq) error {
	news := make(chan struct{}, 1)
	conn := a.cfg.Log.Conn()
	sub, err := conn.Subscribe(events.AgentFilter(a.cfg.Region, a.cfg.ID), func(*nats.Msg) {
		select {
		case news <- struct{}{}:
		default: // it has not looked since the last one
		}
	})
	if err != nil {
		return fmt.Errorf("agent: orders: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	back := conn.StatusChanged(nats.CONNECTED)
	defer conn.RemoveStatusListener(back)
	tick := time.NewTicker(orderEvery)
	defer tick.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	due.Stop()
	for {
		err := a.cfg.Log.Read(ctx, events.AgentsStream, events.AgentFilter(a.cfg.Region, a.cfg.ID), since+1, func(e events.Event) error {
			since = e.Sequence
			a.order(e, due)
			return nil
		})
		if err != nil && ctx.Err() == nil {
			a.log.Warn("the log does not tell what gateways ask of this agent, asking again", "err", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("agent: orders: %w", ctx.Err())
		case <-news:
		case <-back:
		case <-tick.C:
		case <-due.C:
			a.log.Info("the time to drain is over, the sessions that are left end")
			a.stopAll("the agent was drained, and the session's time was over")
		}
	}
}

// order takes one event of the agent's; due is set to when a drain's time is over.
func (a *Agent) order(e events.Event, due *time.Timer) {
	if e.Quarantine != "" {
		return
	}
	var d events.DrainData
	switch e.Type {
	case events.AgentTypeOf(events.AgentDrain):
		if e.Decode(&d) != nil {
			return
		}
		a.log.Info("draining: no more work is taken", "by", d.By, "until", d.Until)
		a.gate.set(false)
		a.pool.poke()
		due.Stop()
		if until, err := time.Parse(time.RFC3339, d.Until); err == nil {
			due.Reset(time.Until(until))
		}
	case events.AgentTypeOf(events.AgentResume):
		due.Stop()
		if a.gate.set(true) {
			a.log.Info("work is taken again")
			a.pool.poke()
		}
	}
}

// stopAll asks for the end of every session.
func (a *Agent) stopAll(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.running {
		r.requestStop(why)
	}
}
