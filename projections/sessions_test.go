package projections_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// Memory grows with what lives: of ten thousand sessions that came and went, none is left, and all are counted.
func TestGoneSessionsLeaveMemory(t *testing.T) {
	const n = 10_000
	m, seq := projections.NewSessions(), 0
	next := func(id events.SessionID, st step) projections.Session {
		seq++
		return m.Apply(eventOf(id, seq, st.actor, st.name, st.data))
	}
	for i := range n {
		id := events.SessionID(fmt.Sprintf("s-%d", i))
		for _, st := range []step{created(), joined(peer1, 1), claimed(1), launched(), ready(), connected(peer1), disconnected(peer1, "left"), terminating("left")} {
			require.True(t, next(id, st).Live())
		}
		require.True(t, next(id, terminated("left")).Gone())
		require.False(t, next(id, ready()).Known(), "what comes after the end makes no session")
	}
	require.Empty(t, m.List())
	require.Equal(t, n, m.Total(projections.StatusTerminated))
	require.Zero(t, m.Total(projections.StatusActive))
	require.Equal(t, events.Seq(seq), m.At())
}

func TestFailedAndKeptSessionsStay(t *testing.T) {
	m, seq := projections.NewSessions(), 0
	next := func(id events.SessionID, st step) {
		seq++
		m.Apply(eventOf(id, seq, st.actor, st.name, st.data))
	}
	next("b-failed", created())
	next("a-kept", created(kept))
	next("c-gone", created())
	next("b-failed", claimed(1))
	next("b-failed", failed("crash"))
	next("a-kept", expired("queue"))
	next("c-gone", expired("queue"))
	var ids []string
	for _, s := range m.List() {
		ids = append(ids, string(s.ID))
	}
	require.Equal(t, []string{"b-failed", "a-kept"}, ids, "oldest first")
	_, ok := m.Get("c-gone")
	require.False(t, ok)
	next("b-failed", terminating("deleted"))
	_, ok = m.Get("b-failed")
	require.False(t, ok, "a failed session that is deleted is gone")
	require.Equal(t, 3, m.Total(projections.StatusTerminated))
}

func TestLoadCountsWhatLives(t *testing.T) {
	m, seq := projections.NewSessions(), 0
	next := func(id events.SessionID, st step) {
		seq++
		m.Apply(eventOf(id, seq, st.actor, st.name, st.data))
	}
	for _, id := range []events.SessionID{"s1", "s2", "s3", "s4"} {
		next(id, created())
	}
	next("s1", claimed(1))
	next("s2", claimed(1))
	next("s3", claimed(1))
	next("s3", failed("crash"))
	live, held := m.Load(region)
	require.Equal(t, 3, live)
	require.Equal(t, map[events.AgentID]int{agent1: 2}, held)
	live, held = m.Load("elsewhere")
	require.Zero(t, live)
	require.Empty(t, held)
}

// other makes an event of a stream other than SESSIONS.
func other(seq int, d events.Draft) events.Event {
	e := event(seq, events.Gateway, "x", d.Data)
	e.Subject, e.Type, e.Session, e.Region, e.Actor, e.Name = d.Subject, d.Type, "", "", "", ""
	return e
}

func TestAgents(t *testing.T) {
	m := projections.NewAgents()
	online := func(seq int, r events.Region, id events.AgentID, slots int) events.Event {
		return other(seq, events.NewAgentDraft(r, id, events.AgentOnline, events.OnlineData{Driver: "process", Slots: slots,
			Applications: []events.ApplicationData{{Name: "xterm", Versions: []int{1, 3}}}}))
	}
	first := online(1, "b", "a1", 2)
	m.Apply(first)
	m.Apply(online(2, "a", "a2", 4))
	m.Apply(online(3, "b", "a0", 1))
	m.Apply(other(4, events.NewAgentDraft("b", "a1", events.AgentOffline, events.OfflineData{Reason: "stopped"})))
	m.Apply(first) // an old one again
	m.Apply(other(5, events.NewAgentDraft("b", "a1", "telepathy", nil)))
	forged := online(6, "a", "a9", 1)
	forged.Quarantine = "data is not JSON"
	m.Apply(forged)
	m.Apply(other(7, events.Draft{Subject: "agents.a.b.c.online", Type: "streamstack.agent.online.v1"}))
	m.Apply(other(8, events.Draft{Subject: "agents.a.a8.online", Type: "streamstack.agent.offline.v1"}))

	var order []string
	for _, a := range m.List() {
		order = append(order, string(a.Region)+"/"+string(a.ID))
	}
	require.Equal(t, []string{"a/a2", "b/a0", "b/a1"}, order)
	a, ok := m.Get("b", "a1")
	require.True(t, ok)
	require.False(t, a.Online)
	require.Equal(t, at(4), a.Since)
	require.Equal(t, 2, a.Slots, "what it can do is still known")
	_, ok = m.Get("a", "a1")
	require.False(t, ok)

	a, _ = m.Get("a", "a2")
	for version, want := range map[int]bool{0: true, 1: true, 2: false, 3: true} {
		_, ok := a.Serves("xterm", version)
		require.Equal(t, want, ok, "version %d", version)
	}
	_, ok = a.Serves("glxgears", 0)
	require.False(t, ok)

	m.Apply(online(9, "b", "a1", 8))
	a, _ = m.Get("b", "a1")
	require.True(t, a.Online)
	require.Equal(t, 8, a.Slots)
}

func TestAccounts(t *testing.T) {
	m := projections.NewAccounts()
	make1 := other(1, events.NewAccountDraft("anna", events.AccountCreated, events.AccountData{TokenID: "t1", Expiry: "2027-01-01T00:00:00Z"}))
	m.Apply(make1)
	m.Apply(other(2, events.NewAccountDraft("zoe", events.AccountCreated, events.AccountData{TokenID: "t2"})))
	m.Apply(other(3, events.NewAccountDraft("ben", events.AccountCreated, events.AccountData{TokenID: "t3"})))
	m.Apply(other(4, events.NewAccountDraft("anna", events.AccountDeleted, events.AccountData{})))
	m.Apply(make1)
	m.Apply(other(5, events.NewAccountDraft("ben", "telepathy", nil)))
	require.Equal(t, events.Seq(5), m.At())
	_, ok := m.Get("anna")
	require.False(t, ok, "deleted; the old creation again changes nothing")
	require.Len(t, m.List(), 2)
	require.Equal(t, "ben", m.List()[0].Name)
	m.Apply(other(6, events.NewAccountDraft("anna", events.AccountCreated, events.AccountData{TokenID: "t9"})))
	a, ok := m.Get("anna")
	require.True(t, ok)
	require.Equal(t, projections.Account{Name: "anna", TokenID: "t9", Created: at(6)}, a)
}
