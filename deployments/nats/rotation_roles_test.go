package natsd

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
)

// The keys of every role are rotated while somebody of that role works all the time: nothing is lost, no connection ends, old
// and new credentials are good side by side; after the second rotation the old ones are refused.
func TestEveryRolesKeysRotateUnderTraffic(t *testing.T) {
	h := newHouse(t)
	h.sessionConsumer(here, mine)
	appends := func(u *user, d events.Draft) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := u.Append(ctx, d)
			return err
		}
	}
	for _, x := range []struct {
		role   trust.Role
		region events.Region
		who    trust.Identity
		work   func(u *user) func(context.Context) error
	}{
		{trust.Agent, here, trust.Identity{Role: trust.Agent, Region: here, Agent: agentMine}, func(u *user) func(context.Context) error {
			said := appends(u, events.NewAgentDraft(here, agentMine, events.AgentOnline, events.OnlineData{}))
			return func(ctx context.Context) error {
				if _, err := u.LastSeq(ctx, here, mine); err != nil { // by the guard
					return err
				}
				return said(ctx)
			}
		}},
		{trust.Streamer, here, trust.Identity{Role: trust.Streamer, Region: here, Session: mine}, func(u *user) func(context.Context) error {
			return appends(u, events.NewDraft(here, mine, events.Streamer, events.Disconnected, nil))
		}},
		{trust.Analytics, "", trust.Identity{Role: trust.Analytics}, func(u *user) func(context.Context) error {
			c, err := u.makes("SESSIONS", jetstream.ConsumerConfig{Durable: "an-rotation", AckPolicy: jetstream.AckNonePolicy})
			require.NoError(t, err)
			return func(context.Context) error {
				_, err := c.FetchNoWait(1)
				return err
			}
		}},
		{trust.Operator, "", trust.Identity{Role: trust.Operator}, func(u *user) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := u.JetStream().Stream(ctx, events.SessionsStream)
				return err
			}
		}},
	} {
		t.Run(string(x.role), func(t *testing.T) {
			old, err := h.keys.Credentials(x.who, 0)
			require.NoError(t, err)
			closed := make(chan struct{}, 10)
			nc, err := nats.Connect(h.s.ClientURL(), append(old.Options(), nats.ReconnectWait(20*time.Millisecond), nats.ClosedHandler(func(*nats.Conn) { closed <- struct{}{} }))...)
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			log, _ := testLog(t)
			l, err := events.New(nc, log, x.who.LogOptions()...)
			require.NoError(t, err)
			w := works(t, x.work(&user{t, nc, l}))
			require.Empty(t, w.more(t))
			rotate := func() {
				require.NoError(t, h.keys.Rotate(x.role, x.region))
				require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
			}
			rotate()
			require.Empty(t, w.more(t), "nothing fails across a rotation")
			require.Empty(t, closed)
			again, err := nats.Connect(h.s.ClientURL(), old.Options()...)
			require.NoError(t, err, "until the next rotation")
			again.Close()
			fresh, err := h.keys.Credentials(x.who, time.Hour)
			require.NoError(t, err)
			h.with(fresh)
			w.stop()
			rotate()
			select {
			case <-closed:
			case <-time.After(patience):
				t.Fatal("a connection with a key that is gone goes on")
			}
			_, err = nats.Connect(h.s.ClientURL(), old.Options()...)
			require.ErrorIs(t, err, nats.ErrAuthorization)
			h.with(fresh)
		})
	}
}

// worker does something all the time and keeps what went wrong.
type worker struct {
	stop func()

	mu     sync.Mutex
	done   int
	failed []error
}

func works(t *testing.T, work func(context.Context) error) *worker {
	ctx, cancel := context.WithCancel(t.Context())
	w := &worker{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := insist(ctx, work)
			w.mu.Lock()
			w.done++
			if err != nil && ctx.Err() == nil {
				w.failed = append(w.failed, err)
			}
			w.mu.Unlock()
		}
	})
	w.stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(w.stop)
	return w
}

// insist tries again for a moment, as a client does whose connection comes back by itself: seen once, the
// server closed an analyst's connection when its account got the new key beside the old one.
func insist(ctx context.Context, work func(context.Context) error) (err error) {
	for end := time.Now().Add(2 * time.Second); ; {
		if err = work(ctx); err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// more waits until the work has gone on for a while, and returns what went wrong so far.
func (w *worker) more(t *testing.T) []error {
	t.Helper()
	w.mu.Lock()
	until := w.done + 50
	w.mu.Unlock()
	await(t, func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.done < until {
			return "work"
		}
		return ""
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}
