package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// lostAfter is how long an agent may be away before its sessions end as lost: three lives of its heartbeat, of which
// the first has passed when the key expires.
const lostAfter = 2 * events.HeartbeatTTL

// liveness watches the heartbeats. A key that is there means alive; its expiry is an event of the bucket like any
// other, and starts a durable deadline, so that the sessions of an agent that stays away end even if this gateway goes.
type liveness struct {
	g     *Gateway
	ready chan struct{}

	mu   sync.RWMutex
	keys map[string]struct{}
}

func newLiveness(g *Gateway) *liveness {
	return &liveness{g: g, ready: make(chan struct{}), keys: map[string]struct{}{}}
}

// has tells whether a heartbeat key is there.
func (l *liveness) has(key string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.keys[key]
	return ok
}

// run watches until the context ends.
func (l *liveness) run(ctx context.Context) error {
	kv, err := l.g.cfg.Log.JetStream().KeyValue(ctx, events.HeartbeatBucket)
	if err != nil {
		return fmt.Errorf("gateway: heartbeats: %w", err)
	}
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("gateway: heartbeats: %w", err)
	}
	defer func() { _ = w.Stop() }() // fails only when the connection is closed
	caught := false
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("gateway: heartbeats: %w", ctx.Err())
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("gateway: heartbeats: the watch ended")
			case e == nil: // all that was there has been seen
				if !caught {
					caught = true
					close(l.ready)
					l.missing(ctx)
				}
			default:
				l.update(ctx, e)
			}
		}
	}
}

func (l *liveness) update(ctx context.Context, e jetstream.KeyValueEntry) {
	l.mu.Lock()
	_, had := l.keys[e.Key()]
	if e.Operation() == jetstream.KeyValuePut {
		l.keys[e.Key()] = struct{}{}
		l.mu.Unlock()
		return
	}
	delete(l.keys, e.Key())
	l.mu.Unlock()
	if r, id, ok := agentOf(e.Key()); ok && had {
		l.g.log.Warn("agent does not answer", "region", r, "agent", id)
		l.suspect(ctx, r, id)
	}
}

// agentOf takes an agent's heartbeat key apart.
func agentOf(key string) (events.Region, events.AgentID, bool) {
	p := strings.Split(key, ".")
	if len(p) != 3 || p[0] != "agent" {
		return "", "", false
	}
	return events.Region(p[1]), events.AgentID(p[2]), true
}

// missing suspects the agents that hold sessions and have no heartbeat at the gateway's start, once the sessions are known.
func (l *liveness) missing(ctx context.Context) {
	select {
	case <-l.g.sessions.Ready():
	case <-ctx.Done():
		return
	}
	var all []projections.Session
	l.g.sessions.Read(func(m *projections.Sessions) { all = m.List() })
	seen := map[string]bool{}
	for _, s := range all {
		key := events.HeartbeatKey(s.Region, s.Agent)
		if s.Claimed && !l.has(key) && !seen[key] {
			seen[key] = true
			l.suspect(ctx, s.Region, s.Agent)
		}
	}
}

// agentDeadline are the subjects of an agent's deadline.
func agentDeadline(r events.Region, id events.AgentID) (at, due string) {
	tail := string(r) + "." + string(id)
	return "deadlines.at.agent." + tail, "deadlines.due.agent." + tail
}

// suspect schedules the end of an agent's sessions, for when it stays away.
func (l *liveness) suspect(ctx context.Context, r events.Region, id events.AgentID) {
	at, due := agentDeadline(r, id)
	if err := l.g.scheduleAt(ctx, at, due, l.g.now().Add(lostAfter)); err != nil {
		l.g.log.Error("deadline of a silent agent not set", "agent", id, "err", err)
	}
}

// lost ends the sessions of an agent that has stayed away.
func (g *Gateway) lost(ctx context.Context, r events.Region, id events.AgentID) error {
	if g.alive.has(events.HeartbeatKey(r, id)) {
		return nil
	}
	var all []projections.Session
	g.sessions.Read(func(m *projections.Sessions) { all = m.List() })
	for _, s := range all {
		if s.Region != r || s.Agent != id || !s.Claimed || s.Ended() {
			continue
		}
		_, _, err := projections.Decide(ctx, g.cfg.Log, r, s.ID, func(s projections.Session) (*events.Draft, error) {
			if s.Ended() || !s.Claimed || s.Agent != id {
				return nil, nil
			}
			why := fmt.Sprintf("the agent %s that ran the session has not answered for %s", id, (lostAfter + events.HeartbeatTTL).Round(time.Second))
			d := events.NewDraft(r, s.ID, events.Gateway, events.AgentLost, events.EndedData{Agent: id, Attempt: s.Attempt, Reason: why})
			return &d, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
