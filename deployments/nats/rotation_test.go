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

// A rotation ends no connection and costs no event. At the second one, connections with the first key end; who makes its
// credentials when it connects is back at once.
func TestKeysRotateWithoutDowntime(t *testing.T) {
	h := newHouse(t)
	old, err := h.keys.Credentials(trust.Identity{Role: trust.Gateway}, 0)
	require.NoError(t, err)
	closed := make(chan struct{}, 10)
	static, err := nats.Connect(h.s.ClientURL(), append(old.Options(), nats.DisconnectErrHandler(func(*nats.Conn, error) { closed <- struct{}{} }), nats.MaxReconnects(1))...)
	require.NoError(t, err)
	t.Cleanup(static.Close)
	log, _ := testLog(t)
	l, err := events.New(static, log)
	require.NoError(t, err)
	p := publish(t, &user{t, static, l})
	require.Empty(t, p.more(t))

	rotate := func() {
		require.NoError(t, h.keys.Rotate(trust.Gateway, ""))
		require.NoError(t, h.keys.Push(t.Context(), h.s.ClientURL()))
	}
	rotate()
	require.Empty(t, p.more(t), "nothing fails across a rotation")
	require.Empty(t, closed, "nobody is disconnected")
	again, err := nats.Connect(h.s.ClientURL(), old.Options()...)
	require.NoError(t, err, "the old credentials are honoured until the next rotation")
	again.Close()
	h.user(trust.Identity{Role: trust.Gateway}).publishes("work.here.testcard") // and new ones are

	renewed, err := nats.Connect(h.s.ClientURL(), append(h.keys.Renewed(trust.Identity{Role: trust.Gateway}, time.Hour),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.IgnoreAuthErrorAbort())...)
	require.NoError(t, err)
	t.Cleanup(renewed.Close)
	rl, err := events.New(renewed, log)
	require.NoError(t, err)
	r := publish(t, &user{t, renewed, rl})
	require.Empty(t, r.more(t))

	rotate() // the key of `old` is gone
	<-closed
	p.cancel()
	_, err = nats.Connect(h.s.ClientURL(), old.Options()...)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	require.Empty(t, r.more(t))
	rotate() // and that of the one that renews itself
	lost := r.more(t)
	require.LessOrEqual(t, len(lost), 1, "who makes its credentials anew loses what was under way, at most: %v", lost[:min(len(lost), 3)])
	require.LessOrEqual(t, len(r.more(t)), 1, "and goes on")
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
