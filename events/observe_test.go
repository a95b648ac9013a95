package events_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// An observer is told of each append, by what it was and what became of it; the log it was made from tells nobody.
func TestObserved(t *testing.T) {
	t.Parallel()
	plain := eventstest.Log(t)
	var seen []events.Appended
	log := plain.Observed(func(a events.Appended) { seen = append(seen, a) })
	created := events.NewDraft("local", "s1", events.Gateway, events.Created, events.CreatedData{App: "testcard"})
	_, err := log.AppendExpecting(t.Context(), created, 0)
	require.NoError(t, err)
	_, err = log.AppendExpecting(t.Context(), created, 0)
	require.ErrorIs(t, err, events.ErrConflict)
	_, err = log.Append(t.Context(), events.NewAccountDraft("kim", events.AccountCreated, events.AccountData{TokenID: "x"}))
	require.NoError(t, err)
	_, err = plain.Append(t.Context(), events.NewAccountDraft("kim", events.AccountDeleted, events.AccountData{}))
	require.NoError(t, err)
	require.Len(t, seen, 3)
	_, err = log.AppendAll(t.Context(), []events.Draft{
		events.NewDraft("local", "s2", events.Gateway, events.Created, events.CreatedData{App: "testcard"}),
		events.NewDraft("local", "s2", events.Gateway, events.Joined, events.JoinedData{Peer: "p"}),
	})
	require.NoError(t, err)
	require.Len(t, seen, 5)
	require.Equal(t, events.Joined, seen[4].Name)
	require.NoError(t, seen[4].Err)
	require.Equal(t, events.Created, seen[0].Name)
	require.Positive(t, seen[0].Took)
	require.False(t, seen[0].Conflict())
	require.True(t, seen[1].Conflict())
	require.Empty(t, seen[2].Name)
}
