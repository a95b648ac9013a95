package agent

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/events/trust"
)

// A streamer whose heartbeat names its user gets that renewed, now and then; one that names none does not.
func TestRenews(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	cfg, nc := r.config("a1", 1, r.says(d))
	cfg.RenewEvery = time.Hour
	cfg.Renew = func(_ events.Region, id events.SessionID, user string) (string, error) {
		return "new " + user + " of " + string(id), nil
	}
	r.run(cfg, nc)
	id := r.session()
	r.until(id, events.Ready)
	got := r.renewals(t, id)
	key := events.StreamerKey(region, id)
	eventstest.Wait(t, patience, func() string { // until the agent listens
		require.NoError(t, r.log.Beat(key, ""))
		require.NoError(t, r.log.Beat(key, "UABC"))
		next, err := got.NextMsg(100 * time.Millisecond)
		if err != nil {
			return "the renewal"
		}
		require.Equal(t, "new UABC of "+string(id), string(next.Data))
		return ""
	})
	require.NoError(t, r.log.Beat(key, "UABC"))
	require.NoError(t, r.log.AskRenewal(key, "UABC"))
	_, err := got.NextMsg(200 * time.Millisecond)
	require.Error(t, err, "not with each heartbeat")
}

// renewals listens where a session's renewed credentials come; the server knows it when this returns, since a renewal comes once.
func (r *rig) renewals(t *testing.T, id events.SessionID) *nats.Subscription {
	t.Helper()
	nc := r.server.Connect(t)
	got, err := nc.SubscribeSync(trust.RenewSubject(region, id))
	require.NoError(t, err)
	require.NoError(t, nc.FlushTimeout(patience))
	return got
}

// Who only asks for that, and gives no sign of life, is renewed and never counts as hung.
func TestRenewsWhoOnlyAsks(t *testing.T) {
	t.Parallel()
	r, d := newRig(t), newMemory()
	cfg, nc := r.config("a1", 1, r.says(d))
	cfg.Renew = func(_ events.Region, _ events.SessionID, user string) (string, error) { return "new " + user, nil }
	r.run(cfg, nc, func(a *Agent) { a.hangTime = 50 * time.Millisecond })
	id := r.session()
	r.until(id, events.Ready)
	got := r.renewals(t, id)
	eventstest.Wait(t, patience, func() string {
		require.NoError(t, r.log.AskRenewal(events.StreamerKey(region, id), "UABC"))
		if _, err := got.NextMsg(100 * time.Millisecond); err != nil {
			return "the renewal"
		}
		return ""
	})
	_, err := got.NextMsg(300 * time.Millisecond) // six times what a streamer may be silent
	require.Error(t, err)
	require.Empty(t, r.endings(id))
	require.NoError(t, r.log.Beat(events.StreamerKey(region, id), "")) // which makes its silence count
	require.Equal(t, events.CauseHung, decoded[events.FailedData](t, r.until(id, events.Failed)).Cause)
}
