package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// A draft whose id is fixed is one event, also when the server was away in between; any other is one event each time.
func TestOnce(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	log := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	draft := events.NewDraft("local", "s1", events.Streamer, events.Offer, events.SDPData{Peer: "p", SDP: "v=0"})
	once, err := draft.Once()
	require.NoError(t, err)
	first, err := log.Append(t.Context(), once)
	require.NoError(t, err)
	again, err := log.Append(t.Context(), once)
	require.NoError(t, err)
	require.Equal(t, first, again)
	server.Restart()
	eventstest.Wait(t, 20*time.Second, func() string {
		if again, err = log.Append(t.Context(), once); err != nil {
			return "an append: " + err.Error()
		}
		return ""
	})
	require.Equal(t, first, again)
	other, err := draft.Once()
	require.NoError(t, err)
	for i, d := range []events.Draft{other, draft, draft} {
		seq, err := log.Append(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, first+events.Seq(i)+1, seq)
	}
}
