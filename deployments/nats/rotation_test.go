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
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// publisher appends without a pause, and keeps what went wrong.
type publisher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	n      int
	errors []error
}

func publish(t *testing.T, u *user) *publisher {
	ctx, cancel := context.WithCancel(t.Context())
	p := &publisher{cancel: cancel}
	p.done.Go(func() {
		for ctx.Err() == nil {
			_, err := u.Append(ctx, events.NewDraft(here, mine, events.Client, events.Detached, nil))
			p.mu.Lock()
			p.n++
			if err != nil && ctx.Err() == nil {
				p.errors = append(p.errors, err)
			}
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		p.done.Wait()
	})
	return p
}

// more waits until some hundred more events are stored, and returns what went wrong so far.
func (p *publisher) more(t *testing.T) []error {
	t.Helper()
	p.mu.Lock()
	want := p.n + 200
	p.mu.Unlock()
	await(t, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.n < want {
			return "events"
		}
		return ""
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

// outages is how often a connection was cut, and for how long.
type outages struct {
	mu    sync.Mutex
	began time.Time
	n     int
	took  time.Duration
}

func (o *outages) options() []nats.Option {
	return []nats.Option{nats.DisconnectErrHandler(func(*nats.Conn, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.n, o.began = o.n+1, time.Now()
	}), nats.ReconnectHandler(func(*nats.Conn) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.took += time.Since(o.began)
	})}
}

func (o *outages) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

// cost is how many appends may fail for it: what was under way, and where the way back takes long, on a busy machine, what gave up meanwhile.
func (o *outages) cost() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	const appendTime = 1800 * time.Millisecond
	return o.n + int(o.took/appendTime)
}

// A rotation ends no connection and costs no event, but for one that the server hears in the very moment (connect.Lasting). At the second
// one, connections with the first key end; who makes its credentials when it connects is back at once.
func TestKeysRotateWithoutDowntime(t *testing.T) {
	h := newHouse(t)
	old, err := h.keys.Credentials(trust.Identity{Role: trust.Gateway}, 0)
	require.NoError(t, err)
	log, _ := testLog(t)
	var cut outages
	static, err := connect.Dial(t.Context(), h.s.ClientURL(), "", "static", log, append(append(old.Options(), nats.ReconnectWait(20*time.Millisecond)), cut.options()...)...)
	require.NoError(t, err)
	t.Cleanup(static.Close)
	l, err := events.New(static, log)
	require.NoError(t, err)
	p := publish(t, &user{t, static, l})
	require.Empty(t, p.more(t))

	rotate := func() {
		require.NoError(t, h.keys.Rotate(trust.Gateway, ""))
		require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
	}
	rotate()
	failed := p.more(t)
	require.LessOrEqual(t, len(failed), cut.cost(), "what fails across a rotation: %v", failed[:min(len(failed), 3)])
	require.Equal(t, cut.count(), h.cut(static), "nothing else cuts a connection")
	again, err := nats.Connect(h.s.ClientURL(), old.Options()...)
	require.NoError(t, err, "the old credentials are honoured until the next rotation")
	again.Close()
	h.user(trust.Identity{Role: trust.Gateway}).publishes("work.here.testcard") // and new ones are

	var renewals outages
	renewed, err := nats.Connect(h.s.ClientURL(), append(append(h.keys.Renewed(trust.Identity{Role: trust.Gateway}, time.Hour),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.IgnoreAuthErrorAbort()), renewals.options()...)...)
	require.NoError(t, err)
	t.Cleanup(renewed.Close)
	rl, err := events.New(renewed, log)
	require.NoError(t, err)
	r := publish(t, &user{t, renewed, rl})
	require.Empty(t, r.more(t))

	rotate() // the key of `old` is gone
	await(t, func() string {
		if static.IsConnected() {
			return "the end of a connection with a key that is gone"
		}
		return ""
	})
	p.cancel()
	_, err = nats.Connect(h.s.ClientURL(), old.Options()...)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	require.LessOrEqual(t, len(r.more(t)), renewals.cost())
	rotate() // and that of the one that renews itself
	lost := r.more(t)
	require.LessOrEqual(t, len(lost), renewals.cost(), "who makes its credentials anew loses what was under way, at most: %v", lost[:min(len(lost), 3)])
	require.LessOrEqual(t, len(r.more(t)), renewals.cost(), "and goes on")
}

// Rotated keys are those that a restarted server knows, and one that is not told of them keeps to the old ones.
func TestRotationSurvivesARestart(t *testing.T) {
	h := newHouse(t)
	require.NoError(t, h.keys.Rotate(trust.Analytics, ""))
	c, err := h.keys.Credentials(trust.Identity{Role: trust.Analytics}, 0)
	require.NoError(t, err)
	_, err = nats.Connect(h.s.ClientURL(), c.Options()...)
	require.ErrorIs(t, err, nats.ErrAuthorization, "not pushed yet")
	require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
	h.with(c)
}

func TestExpiredCredentialsAreRefused(t *testing.T) {
	h := newHouse(t)
	c, err := h.keys.Credentials(trust.Identity{Role: trust.Operator}, 5*time.Second) // enough to connect; JWTs count in seconds
	require.NoError(t, err)
	gone := make(chan struct{})
	nc, err := nats.Connect(h.s.ClientURL(), append(c.Options(), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the connection outlives its credentials")
	}
	await(t, func() string { // for the rest of that second they are good still
		again, err := nats.Connect(h.s.ClientURL(), c.Options()...)
		if err == nil {
			again.Close()
			return "a refusal"
		}
		require.Regexp(t, "(?i)auth", err.Error()) // the library has an error of its own for some of the server's words only
		return ""
	})
}

// Nobody but the holder of the keys changes accounts.
func TestOnlyTheSystemUserPushesAccounts(t *testing.T) {
	h := newHouse(t)
	foreign := keysBeside(t, t.TempDir()+"/nats")
	require.Error(t, foreign.Push(t.Context(), h.s.ClientURL()))
	accounts, err := foreign.Accounts()
	require.NoError(t, err)
	h.gw.maynotPublish("$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT."+accounts[1].ID+".CLAIMS.UPDATE")
	_, err = h.gw.JetStream().Stream(t.Context(), events.SessionsStream)
	require.NoError(t, err)
	require.NotErrorIs(t, err, jetstream.ErrJetStreamNotEnabled)
}
