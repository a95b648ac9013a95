package projections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// Viewers come and go beside the client, whom they neither displace nor keep alive.
func TestViewers(t *testing.T) {
	t.Parallel()
	steps := []step{created(joinable), joined(peer1, 1), claimed(1), launched(), ready(), connected(peer1),
		watching("v1", 1), watching("v2", 2), connected("v2")}
	s := fold(script(steps...))
	then := func(more step) projections.Session {
		steps = append(steps, more)
		return fold(script(steps...))
	}
	require.Equal(t, peer1, s.Connected)
	require.Equal(t, peer1, s.Peer)
	require.Equal(t, 1, s.Generation)
	require.Equal(t, 1, s.Watching())
	require.Len(t, s.Viewers, 2)
	v, ok := s.Viewer("v1")
	require.True(t, ok)
	require.Equal(t, projections.Viewer{Peer: "v1", Number: 1, JoinedSeq: v.JoinedSeq, JoinedAt: v.JoinedAt}, v)
	require.Greater(t, v.JoinedSeq, s.JoinedSeq)

	after := then(disconnected("v2", events.ReasonLeft))
	require.Equal(t, peer1, after.Connected, "the client stays")
	require.Zero(t, after.Watching())
	require.Equal(t, 1, s.Watching())
	require.Equal(t, 2, after.Watched)

	left := then(disconnected(peer1, events.ReasonLeft))
	require.Empty(t, left.Connected)
	d, due := left.Deadline()
	require.True(t, due, "a viewer does not keep a session alive")
	again := then(watching("v3", 3))
	d2, due := again.Deadline()
	require.True(t, due)
	require.Equal(t, d, d2, "nor does another put its end off")

	then(connected("v3"))
	back := then(requeued("agent gone"))
	_, there := back.Viewer("v1")
	require.True(t, there, "who waited waits on")
	_, there = back.Viewer("v3")
	require.False(t, there, "who streamed has lost its streamer")
	require.Nil(t, then(expired("nobody")).Viewers)
}
