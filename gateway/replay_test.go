package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/events/trust"
)

// A replica of the stream that stays behind for good does not hold a socket for good: its past is read for so long, and no longer.
func TestReplayEnds(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.times.replayTime = 2 * time.Second })
	s := r.stack.state(r.create().ID)
	ahead := s.Last + 1
	var seen []events.Seq
	err := r.replay(t.Context(), s, 0, func(e events.Event) (bool, error) {
		seen = append(seen, e.Sequence)
		return e.Sequence >= ahead, nil
	})
	require.ErrorIs(t, err, errUnread)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotEmpty(t, seen)
	require.IsIncreasing(t, seen, "each once, however often it is read")

	enough := errors.New("enough")
	require.Equal(t, enough, r.replay(t.Context(), s, 0, func(events.Event) (bool, error) { return false, enough }), "as it is")
	require.NoError(t, r.replay(t.Context(), s, 0, func(e events.Event) (bool, error) { return e.Sequence >= s.Last, nil }))
}

// A master's word that the gateway does not find in its own log, since the two speak to servers that do not know of each other
// (here) or to a replica that stays behind, ends the socket in time and says that another try may help.
func TestMasterIsNotHeldForGood(t *testing.T) {
	t.Parallel()
	elsewhere := eventstest.Start(t)
	far := eventstest.NewLog(t, elsewhere.Connect(t), events.StreamsConfig{})
	r, c := mastered(t, func(g *Gateway) {
		g.times.replayTime = 200 * time.Millisecond
		g.cfg.Streamer = func(context.Context, trust.Credentials) (*events.Log, error) {
			return events.New(elsewhere.Connect(t), discard())
		}
	})
	for last := r.stack.state(c.ID).Last; ; { // so that the master's word has a number that the session's history does not reach
		seq, err := far.Append(t.Context(), events.NewDraft(region, c.ID, events.Gateway, events.Created, events.CreatedData{App: "testcard"}))
		require.NoError(t, err)
		if seq > last {
			break
		}
	}
	b := r.master(c.ID)
	b.send(`{"type":"resp:discover","max_api_version":2,"fps":30}`)
	b.closed(websocket.StatusTryAgainLater)
}
