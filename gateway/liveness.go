package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// liveness watches the heartbeats. A key that is there means alive; its expiry is an event of the bucket like any
// other, and starts a durable deadline, so that the sessions of an agent that stays away end even if this gateway goes.
type liveness struct {
	g      *Gateway
	caught sync.Once
	ready  chan struct{}

	mu   sync.RWMutex
	keys map[string]events.Heartbeat
}

func newLiveness(g *Gateway) *liveness {
	return &liveness{g: g, ready: make(chan struct{}), keys: map[string]events.Heartbeat{}}
}

// has tells whether a heartbeat key is there.
func (l *liveness) has(key string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.keys[key]
	return ok
}

// last is what the heartbeat of a key said last; false when there is none.
func (l *liveness) last(key string) (events.Heartbeat, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	h, ok := l.keys[key]
	return h, ok
}

// run watches until the context ends. After a time without NATS the watch begins anew: an expiry in between may have
// left no trace.
func (l *liveness) run(ctx context.Context) error {
	for {
		err := l.watch(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("gateway: heartbeats: %w", ctx.Err())
		}
		l.g.log.Warn("the watch of the heartbeats begins anew", "err", err)
		if err := pause(ctx, managerDelay); err != nil {
			return err
		}
	}
}

// errReconnected ends a watch.
var errReconnected = errors.New("NATS was away")

func (l *liveness) watch(ctx context.Context) error {
	conn := l.g.cfg.Log.Conn()
	back := conn.StatusChanged(nats.CONNECTED)
	defer conn.RemoveStatusListener(back)
	kv, err := l.g.cfg.Log.JetStream().KeyValue(ctx, events.HeartbeatBucket)
	if err != nil {
		return fmt.Errorf("gateway: heartbeats: %w", err)
	}
	w, err := kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("gateway: heartbeats: %w", err)
	}
	defer func() { _ = w.Stop() }() // fails only when the connection is closed
	fresh, first := map[string]events.Heartbeat{}, true
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("gateway: heartbeats: %w", ctx.Err())
		case <-back:
			return errReconnected
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("gateway: heartbeats: the watch ended")
			case e == nil && first: // all that was there has been seen
				first = false
				l.replace(fresh)
				l.missing(ctx)
			case e == nil: // again, when the client's consumer was made anew
			case first:
				delete(fresh, e.Key())
				if beat, ok := beatOf(e); ok {
					fresh[e.Key()] = beat
				}
			default:
				l.update(ctx, e)
			}
		}
	}
}

// replace takes over what a new watch has found.
func (l *liveness) replace(keys map[string]events.Heartbeat) {
	l.mu.Lock()
	l.keys = keys
	l.mu.Unlock()
	l.caught.Do(func() { close(l.ready) })
}

func (l *liveness) update(ctx context.Context, e jetstream.KeyValueEntry) {
	l.mu.Lock()
	_, had := l.keys[e.Key()]
	if beat, ok := beatOf(e); ok {
		l.keys[e.Key()] = beat
		l.mu.Unlock()
		return
	}
	delete(l.keys, e.Key())
	l.mu.Unlock()
	r, id, ok := agentOf(e.Key())
	switch {
	case !ok || !had:
	case e.Operation() == jetstream.KeyValueDelete:
		// It took its key away itself, having ended its sessions; if it has not, they are found to be nobody's.
		l.g.log.Info("agent has left", "region", r, "agent", id)
		l.missing(ctx)
	default:
		l.g.log.Warn("agent does not answer", "region", r, "agent", id)
		l.suspect(ctx, r, id)
	}
}

// beatOf is the heartbeat that an entry of the bucket is, if it is one.
func beatOf(e jetstream.KeyValueEntry) (events.Heartbeat, bool) {
	beat, ok := events.ParseHeartbeat(e.Value())
	return beat, ok && e.Operation() == jetstream.KeyValuePut
}

// agentOf takes an agent's heartbeat key apart.
func agentOf(key string) (events.Region, events.AgentID, bool) {
	p := strings.Split(key, ".")
	if len(p) != 3 || p[0] != "agent" {
		return "", "", false
	}
	return events.Region(p[1]), events.AgentID(p[2]), true
}

// missing suspects the agents that hold sessions and have no heartbeat when a watch begins, once the sessions are known.
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
	if err := l.g.scheduleAt(ctx, at, due, l.g.now().Add(l.g.times.lostAfter)); err != nil {
		l.g.log.Error("deadline of a silent agent not set", "agent", id, "err", err)
	}
}

// lost ends the sessions of an agent that has stayed away.
func (g *Gateway) lost(ctx context.Context, r events.Region, id events.AgentID) error {
	// The bucket is asked, not the watch: what this gateway has seen of it may be late.
	kv, err := g.cfg.Log.JetStream().KeyValue(ctx, events.HeartbeatBucket)
	if err != nil {
		return err
	}
	entry, err := kv.Get(ctx, events.HeartbeatKey(r, id))
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("gateway: heartbeat of %s: %w", id, err)
	}
	if err == nil {
		if _, ok := beatOf(entry); ok {
			return nil
		}
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
			why := fmt.Sprintf("the agent %s that ran the session has not answered for %s", id, (g.times.lostAfter + events.HeartbeatTTL).Round(time.Second))
			d := events.NewDraft(r, s.ID, events.Gateway, events.AgentLost, events.EndedData{Agent: id, Attempt: s.Attempt, Reason: why})
			return &d, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
