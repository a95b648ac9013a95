package projections_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/projections"
)

// The count of an account's live sessions is that of its sessions that are live, also in a model from a snapshot.
func TestLiveCountAgreesWithSessions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, _ := drawHistory(t)
		for i, e := range all {
			if e.Name == events.Created {
				account := rapid.SampledFrom([]string{"ada", "bob"}).Draw(t, "account")
				all[i] = eventOf(e.Session, int(e.Sequence), e.Actor, e.Name, events.CreatedData{App: "testcard", Account: account, Ephemeral: i%2 == 0})
			}
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		m, restored := folded(projections.NewSessions(), all), projections.NewSessions()
		if err := restored.Restore(folded(projections.NewSessions(), all[:cut]).Dump()); err != nil {
			t.Fatal(err)
		}
		folded(restored, all[cut:])
		for _, account := range []string{"ada", "bob", "nobody"} {
			live := 0
			for _, s := range m.List() {
				if s.Account == account && s.Live() {
					live++
				}
			}
			require.Equal(t, live, m.LiveOf(account), account)
			require.Equal(t, live, restored.LiveOf(account), account)
		}
		for _, id := range []events.SessionID{"s-1", "s-2", "s-6"} {
			require.Equal(t, slices.ContainsFunc(m.List(), func(s projections.Session) bool { return s.ID == id }), m.Created(id))
		}
	})
}
