package natsd

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
)

// minter is what an agent makes its streamers' users with.
func (h *house) minter(r events.Region) *trust.Minter {
	h.t.Helper()
	c, err := h.keys.Credentials(trust.Identity{Role: trust.Agent, Region: r, Agent: "a"}, time.Hour)
	require.NoError(h.t, err)
	m, err := c.Minter()
	require.NoError(h.t, err)
	return m
}

// short connects as the session's streamer with a user that lives for five seconds, more than what follows takes on a slow machine, and takes what renews it.
func (h *house) short() (*nats.Conn, *trust.Kept) {
	h.t.Helper()
	c, err := h.minter(here).Streamer(mine, 5*time.Second)
	require.NoError(h.t, err)
	kept, err := trust.Keep(c)
	require.NoError(h.t, err)
	nc, err := nats.Connect(h.s.ClientURL(), append(kept.Options(), nats.CustomInboxPrefix(c.Identity.Inbox()), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))...)
	require.NoError(h.t, err)
	h.t.Cleanup(nc.Close)
	_, err = nc.Subscribe(trust.RenewSubject(here, mine), func(m *nats.Msg) { _ = kept.Replace(string(m.Data)) })
	require.NoError(h.t, err)
	require.NoError(h.t, nc.Flush())
	return nc, kept
}

// A streamer whose user the agent renews is cut off when the first one's time is over, and comes back with the new one; with
// one that nobody renews it does not.
func TestStreamerIsRenewed(t *testing.T) {
	h := newHouse(t)
	a := h.agent(here, agentMine)
	renewed, kept := h.short()
	token, err := h.minter(here).Renew(mine, kept.User(), time.Hour)
	require.NoError(t, err)
	require.NoError(t, a.nc.Publish(trust.RenewSubject(here, mine), []byte(token)))
	require.NoError(t, a.nc.Flush())
	await(t, func() string {
		if renewed.Stats().Reconnects == 0 || !renewed.IsConnected() {
			return "the streamer to be back"
		}
		return ""
	})
	log, _ := testLog(t)
	l, err := events.New(renewed, log)
	require.NoError(t, err)
	_, err = l.Append(t.Context(), events.NewDraft(here, mine, events.Streamer, events.Ready, events.ReadyData{}))
	require.NoError(t, err)

	forgotten, kept := h.short()
	foreign, err := h.minter(there).Renew(theirs, kept.User(), time.Hour) // of another session: its permissions are that one's
	require.NoError(t, err)
	require.NoError(t, kept.Replace(foreign))
	await(t, func() string {
		if forgotten.Stats().Reconnects == 0 || !forgotten.IsConnected() {
			return "the end of the first user"
		}
		return ""
	})
	u := &user{t, forgotten, nil}
	u.maynotPublish("sessions.here." + string(mine) + ".streamer.ready")

	alone, _ := h.short()
	await(t, func() string {
		if alone.IsConnected() {
			return "the end of who is not renewed"
		}
		return ""
	})
}

// What renews nothing is refused, and what there is stays.
func TestKeptRefuses(t *testing.T) {
	h := newHouse(t)
	m := h.minter(here)
	c, err := m.Streamer(mine, time.Hour)
	require.NoError(t, err)
	kept, err := trust.Keep(c)
	require.NoError(t, err)
	other, err := m.Streamer(mine, 2*time.Hour)
	require.NoError(t, err)
	others, err := trust.Keep(other)
	require.NoError(t, err)
	theirs, err := m.Renew(mine, others.User(), 3*time.Hour)
	require.NoError(t, err)
	sooner, err := m.Renew(mine, kept.User(), time.Minute)
	require.NoError(t, err)
	for _, token := range []string{"", "x.y.z", theirs, sooner} {
		require.ErrorIs(t, kept.Replace(token), trust.ErrRenewal)
	}
	later, err := m.Renew(mine, kept.User(), 2*time.Hour)
	require.NoError(t, err)
	require.NoError(t, kept.Replace(later))
	_, err = m.Renew(mine, "SUANOTAPUBLICKEY", time.Hour)
	require.ErrorContains(t, err, "no user's public key")
	_, err = m.Renew("no.token", kept.User(), time.Hour)
	require.ErrorIs(t, err, trust.ErrIdentity)
	require.NotContains(t, kept.String(), "SU")
}
