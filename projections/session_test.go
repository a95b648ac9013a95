package projections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// Every transition of gateway-api.md, section 9, and what must not be one.
func TestTransitions(t *testing.T) {
	active := []step{created(), joined(peer1, 1), claimed(1), launched(), ready()}
	streaming := append(append([]step{}, active...), connected(peer1))
	for _, c := range []struct {
		name    string
		before  []step
		then    []step
		status  projections.Status
		message string
		claimed bool
		gone    bool
		ending  events.Name
	}{
		{name: "creation", then: []step{created()}, status: projections.StatusCreated},
		{name: "nothing before the creation counts", then: []step{claimed(1), ready(), created()}, status: projections.StatusCreated},
		{name: "the first creation counts", then: []step{created(), created(kept)}, status: projections.StatusCreated},
		{name: "claim", then: []step{created(), claimed(1)}, status: projections.StatusCreated, claimed: true},
		{name: "launch", then: []step{created(), claimed(1), launched()}, status: projections.StatusCreated, claimed: true},
		{name: "ready", before: active, status: projections.StatusActive, claimed: true},
		{name: "streaming", before: streaming, status: projections.StatusActive, claimed: true},
		{name: "launch failed", then: []step{created(), claimed(1), failed("no display")}, status: projections.StatusError, message: "no display", ending: events.Failed},
		{name: "instance failed", before: streaming, then: []step{failed("crash")}, status: projections.StatusError, message: "crash", ending: events.Failed},
		{name: "agent lost", before: streaming, then: []step{agentLost("silence")}, status: projections.StatusError, message: "silence", ending: events.AgentLost},
		{name: "never claimed", then: []step{created(), expired("queue")}, status: projections.StatusTerminated, message: "queue", gone: true, ending: events.Expired},
		{name: "deleted", before: streaming, then: []step{terminating("deleted")}, status: projections.StatusTerminating, message: "deleted", claimed: true},
		{name: "deleted twice", before: streaming, then: []step{terminating("first"), terminating("second")}, status: projections.StatusTerminating, message: "first", claimed: true},
		{name: "ready while it is deleted", then: []step{created(), claimed(1), launched(), terminating("deleted"), ready()}, status: projections.StatusTerminating, message: "deleted", claimed: true},
		{name: "terminated", before: streaming, then: []step{terminating("deleted"), terminated("deleted")}, status: projections.StatusTerminated, message: "deleted", gone: true, ending: events.Terminated},
		{name: "terminated, but kept", then: []step{created(kept), claimed(1), terminated("exit")}, status: projections.StatusTerminated, message: "exit", ending: events.Terminated},
		{name: "failed while it is deleted", before: streaming, then: []step{terminating("deleted"), failed("crash")}, status: projections.StatusError, message: "crash", ending: events.Failed},
		{name: "the first ending counts", before: streaming, then: []step{failed("crash"), terminated("x"), agentLost("y"), expired("z")}, status: projections.StatusError, message: "crash", ending: events.Failed},
		{name: "what a dead instance still says", before: streaming, then: []step{failed("crash"), ready(), connected(peer1), launched()}, status: projections.StatusError, message: "crash", ending: events.Failed},
		{name: "started again", before: streaming, then: []step{failed("crash"), claimed(2)}, status: projections.StatusCreated, claimed: true},
		{name: "active again", before: streaming, then: []step{failed("crash"), claimed(2), launchedAs(2), ready()}, status: projections.StatusActive, claimed: true},
		{name: "lost and started again", before: streaming, then: []step{agentLost("silence"), claimed(2), launchedAs(2), ready(), terminated("exit")}, status: projections.StatusTerminated, message: "exit", gone: true, ending: events.Terminated},
		{name: "a terminated one is not started again", before: streaming, then: []step{terminated("exit"), claimed(2)}, status: projections.StatusTerminated, message: "exit", gone: true, ending: events.Terminated},
		{name: "an expired one is not claimed", then: []step{created(), expired("queue"), claimed(1)}, status: projections.StatusTerminated, message: "queue", gone: true, ending: events.Expired},
		{name: "a failed one is deleted", before: streaming, then: []step{failed("crash"), terminating("deleted")}, status: projections.StatusTerminated, message: "deleted", gone: true, ending: events.Failed},
		{name: "a failed one that is kept is deleted", then: []step{created(kept), claimed(1), failed("crash"), terminating("deleted")}, status: projections.StatusTerminated, message: "deleted", gone: true, ending: events.Failed},
		{name: "attempt failed", before: streaming, then: []step{attemptFailed("busy")}, status: projections.StatusCreated, message: "busy"},
		{name: "requeued", before: streaming, then: []step{requeued("released")}, status: projections.StatusCreated, message: "released"},
		{name: "requeued and claimed anew", before: streaming, then: []step{requeued("released"), claimed(2), launchedAs(2), ready()}, status: projections.StatusActive, claimed: true},
		{name: "an agent speaks of an attempt that was given up", before: streaming, then: []step{requeued("released"), launched(), attemptFailed("late"), failed("late")}, status: projections.StatusCreated, message: "released"},
		{name: "and when the next one has begun", before: streaming, then: []step{requeued("released"), claimed(2), launched(), attemptFailed("late"), failed("late")}, status: projections.StatusCreated, message: "released", claimed: true},
		{name: "its streamer comes at last", before: streaming, then: []step{requeued("released"), ready(), connected(peer1), claimed(2), ready(), connected(peer1)}, status: projections.StatusCreated, message: "released", claimed: true},
		{name: "requeued while it is deleted", before: streaming, then: []step{terminating("deleted"), requeued("released")}, status: projections.StatusTerminating, message: "deleted"},
		{name: "requeued after its end", before: streaming, then: []step{failed("crash"), requeued("released")}, status: projections.StatusError, message: "crash", ending: events.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fold(script(append(append([]step{}, c.before...), c.then...)...))
			require.Equal(t, c.status, s.Status)
			require.Equal(t, c.message, s.StatusMessage)
			require.Equal(t, c.claimed, s.Claimed)
			require.Equal(t, c.gone, s.Gone())
			require.Equal(t, c.ending, s.Ending)
			require.Equal(t, c.ending != "", s.Ended())
			require.Equal(t, c.ending == "", s.Live())
			require.Empty(t, invalid(s))
		})
	}
}

func TestWhatASessionRemembers(t *testing.T) {
	s := fold(script(created(joinable, idle(7)), joined(peer1, 1), claimed(1), launched(), ready(), connected(peer1)))
	require.Equal(t, "testcard", s.App)
	require.Equal(t, 7, *s.IdleTimeMin)
	require.Equal(t, region, s.Region)
	require.Equal(t, agent1, s.Agent)
	require.Equal(t, 1, s.Attempt)
	require.Equal(t, "i1", s.Instance)
	require.Equal(t, peer1, s.Connected)
	require.Equal(t, peer1, s.Peer)
	require.Equal(t, events.Seq(2), s.JoinedSeq)
	require.Equal(t, events.Seq(5), s.ReadySeq)
	require.Equal(t, at(1), s.CreatedAt)
	require.Equal(t, at(6), s.ChangedAt)

	s = s.Apply(event(7, events.Gateway, events.Joined, events.JoinedData{Peer: peer2, Generation: 2}))
	require.Equal(t, peer2, s.Peer)
	require.Equal(t, 2, s.Generation)
	require.Equal(t, peer1, s.Connected, "displaced only once the streamer says so")
	s = s.Apply(event(8, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer2, Reason: events.ReasonRefused}))
	require.Equal(t, peer1, s.Connected, "somebody else's end")
	s = s.Apply(event(9, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer1, Reason: events.ReasonDisplaced}))
	require.Empty(t, s.Connected)
	require.True(t, s.Ever)
	require.Equal(t, at(9), s.QuietSince)

	s = s.Apply(event(10, events.Streamer, events.Resized, events.ResizedData{Screen: events.Screen{Width: 640, Height: 480, FPS: 30}}))
	require.Equal(t, 640, s.Screen.Width)
	s = s.Apply(event(11, events.Streamer, events.Resized, events.ResizedData{}))
	require.Equal(t, 640, s.Screen.Width, "a size of nothing is none")
}

// An event whose data is not what it should be must not break the state.
func TestMalformedDataLeavesAValidState(t *testing.T) {
	list := script(created(), joined(peer1, 1), claimed(1), launched(), ready(), connected(peer1), disconnected(peer1, "left"))
	for i := range list {
		for _, data := range []string{`null`, `[]`, `"x"`, `{"peer":7,"reason":{}}`, `{}`} {
			broken := append([]events.Event{}, list...)
			broken[i].Data = events.Raw(data)
			require.Empty(t, invalid(fold(broken)), "%s with %s", broken[i].Name, data)
		}
	}
	s := fold(script(created(), claimed(1), launched(), ready(), connected("")))
	require.False(t, s.Ever, "nobody connected")
}
