package natsd

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// The keys of every role are rotated while somebody of that role works all the time: no connection is closed for ever, old
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
			var lost atomic.Int32
			log, _ := testLog(t)
			nc, err := connect.Dial(t.Context(), h.s.ClientURL(), "", "worker", log, append(old.Options(), nats.ReconnectWait(20*time.Millisecond),
				nats.DisconnectErrHandler(func(*nats.Conn, error) { lost.Add(1) }),
				nats.ClosedHandler(func(nc *nats.Conn) {
					if t.Context().Err() == nil {
						t.Errorf("closed for ever: %v", nc.LastError())
					}
				}))...)
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			l, err := events.New(nc, log, x.who.LogOptions()...)
			require.NoError(t, err)
			w := works(t, x.work(&user{t, nc, l}))
			require.Empty(t, w.more(t))
			rotate := func() {
				require.NoError(t, h.keys.Rotate(x.role, x.region))
				require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
			}
			rotate()
			failed := w.more(t)
			// The server may cut whom it hears in the very moment (connect.Lasting): that costs what was under way, no more.
			require.LessOrEqual(t, len(failed), int(lost.Load()), "what fails across a rotation: %v", failed[:min(len(failed), 3)])
			require.Equal(t, int(lost.Load()), h.cut(nc), "and nothing else cuts a connection")
			t.Logf("cut %d times, %d operations failed", lost.Load(), len(failed))
			require.True(t, nc.IsConnected())
			again, err := nats.Connect(h.s.ClientURL(), old.Options()...)
			require.NoError(t, err, "until the next rotation")
			again.Close()
			fresh, err := h.keys.Credentials(x.who, time.Hour)
			require.NoError(t, err)
			h.with(fresh)
			w.stop()
			rotate()
			await(t, func() string {
				if nc.IsConnected() {
					return "the end of a connection with a key that is gone"
				}
				return ""
			})
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
			err := work(ctx)
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

// cut is how often the server has ended the connection since a message was "too long", which none is.
func (h *house) cut(nc *nats.Conn) (n int) {
	h.t.Helper()
	closed, err := h.s.ns.Connz(&server.ConnzOptions{State: server.ConnClosed, Limit: 1000})
	require.NoError(h.t, err)
	for _, c := range closed.Conns {
		if c.Name == nc.Opts.Name && c.Reason == server.MaxPayloadExceeded.String() {
			n++
		}
	}
	return n
}

// The rotation of one role's keys changes the account of that role alone: no connection of another is touched.
func TestRotationTouchesItsOwnAccountAlone(t *testing.T) {
	h := newHouse(t)
	known := func() map[string]string {
		accounts, err := h.keys.Accounts()
		require.NoError(t, err)
		texts := map[string]string{}
		for _, a := range accounts[1:] { // the first is the system's
			text, err := h.s.ns.AccountResolver().Fetch(a.ID)
			require.NoError(t, err)
			texts[a.Name] = text
		}
		return texts
	}
	push := func() { require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL())) }
	before := known()
	require.Len(t, before, 3)
	push()
	require.Equal(t, before, known(), "nothing has changed")
	for role, account := range map[trust.Role]string{trust.Gateway: "STREAMSTACK", trust.Analytics: "ANALYTICS", trust.AnalyticsSDP: "ANALYTICS-SDP"} {
		before := known()
		require.NoError(t, h.keys.Rotate(role, ""))
		push()
		for name, text := range known() {
			require.Equal(t, name != account, text == before[name], "%s after a rotation of %s", name, role)
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
