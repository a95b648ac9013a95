package projections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/projections"
)

// A share keeps its creation when it is changed, and goes with its revocation.
func TestAShareIsChangedAndRevoked(t *testing.T) {
	s := fold(script(created(), shared("s-1", at(90)), shared("s-2", at(80)), shared("s-1", at(70))))
	require.Equal(t, []projections.Share{
		{ID: "s-1", Type: "adb", CreatedAt: at(2), ExpiresAt: at(70)},
		{ID: "s-2", Type: "adb", CreatedAt: at(3), ExpiresAt: at(80)},
	}, s.Shares)
	x, ok := s.Share("s-1")
	require.True(t, ok)
	require.True(t, x.Stands(at(69)))
	require.False(t, x.Stands(at(70)))
	s = s.Apply(event(5, events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: "s-1", Reason: events.ShareExpired}))
	_, ok = s.Share("s-1")
	require.False(t, ok)
	s = s.Apply(event(6, events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: "s-2", Reason: events.ShareExpired}))
	require.Nil(t, s.Shares, "as before the first")
	s = fold(script(created(), claimed(1), failed("crash"), shared("s-1", at(90))))
	require.Empty(t, s.Shares, "a session that has ended is not shared")
}

// A state that somebody holds does not change with what is folded into a copy of it.
func TestCopiesDoNotShareTheirShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := func(label string) events.ShareID {
			return rapid.SampledFrom([]events.ShareID{"s-1", "s-2", "s-3"}).Draw(t, label)
		}
		s := fold(script(created(), shared("s-1", at(90)), shared("s-2", at(91))))
		held := s
		want := append([]projections.Share{}, held.Shares...)
		for seq := 4; seq < 10; seq++ {
			st := shareRevoked(id("revoked"))
			if rapid.Bool().Draw(t, "share") {
				st = shared(id("shared"), at(rapid.IntRange(20, 99).Draw(t, "expiry")))
			}
			s = s.Apply(event(seq, st.actor, st.name, st.data))
			require.Equal(t, want, held.Shares)
		}
	})
}

// The model has the shares of the sessions that live, oldest first, and none of those that have ended: gone or not.
func TestSharesOfAllSessions(t *testing.T) {
	m := projections.NewSessions()
	for i, e := range []struct {
		of events.SessionID
		st step
	}{
		{"a", created()}, {"b", created(kept)}, {"b", shared("b-1", at(99))}, {"a", shared("a-1", at(99))}, {"b", shared("b-2", at(99))},
	} {
		m.Apply(eventOf(e.of, i+1, e.st.actor, e.st.name, e.st.data))
	}
	ids := func() (out []events.ShareID) {
		for _, x := range m.Shares() {
			out = append(out, x.ID)
		}
		return out
	}
	require.Equal(t, []events.ShareID{"b-1", "a-1", "b-2"}, ids())
	e := expired("queue")
	m.Apply(eventOf("b", 6, e.actor, e.name, e.data))
	require.Equal(t, []events.ShareID{"a-1"}, ids())
	m.Apply(eventOf("a", 7, e.actor, e.name, e.data))
	require.Empty(t, ids())
}

// The expiry of an account's token is in the read model, unless the account has a newer token by then.
func TestAccountExpires(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	m := projections.NewAccounts()
	apply := func(seq events.Seq, n events.Name, id string) {
		m.Apply(events.Event{Subject: "accounts.kim." + string(n), Type: "streamstack.account." + string(n) + ".v1", Sequence: seq, Time: at,
			Data: events.Raw(`{"token_id":"` + id + `","expiry":"2026-11-22T07:00:00Z"}`)})
	}
	state := func() projections.Account { a, _ := m.Get("kim"); return a }
	apply(1, events.AccountExpired, "1")
	require.Empty(t, m.List(), "nobody")
	apply(2, events.AccountCreated, "1")
	require.False(t, state().Expired)
	apply(3, events.AccountExpired, "1")
	require.True(t, state().Expired)
	require.Equal(t, "1", state().TokenID)
	apply(4, events.AccountCreated, "2")
	apply(5, events.AccountExpired, "1")
	require.False(t, state().Expired, "the earlier token's expiry")
}
