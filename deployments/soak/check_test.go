package soak

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// life is what the log says of a session.
type life struct {
	named    map[events.Name]int
	attached []events.AttachedData
	// sent are the sequences of what a socket of the session's client is to get, in order.
	sent      []events.Seq
	connected map[events.PeerID]int
	endings   int
	ending    string // how it ended, in words
}

// read sums up a history and checks what holds for each event.
func (h *house) read(id events.SessionID) life {
	h.t.Helper()
	l := life{named: map[events.Name]int{}, connected: map[events.PeerID]int{}}
	var last events.Seq
	for _, e := range h.history(id) {
		require.Empty(h.t, e.Quarantine, "%s", e.Subject)
		require.Greater(h.t, e.Sequence, last)
		last = e.Sequence
		l.named[e.Name]++
		switch {
		case e.Is(events.Client, events.Attached):
			var d events.AttachedData
			require.NoError(h.t, e.Decode(&d))
			l.attached = append(l.attached, d)
		case e.Is(events.Streamer, events.Connected):
			l.connected[e.Peer()]++
		case events.Ending(e.Name):
			l.endings++
			l.ending = fmt.Sprintf("%s %s", e.Name, e.Data)
		}
		if e.Actor == events.Streamer && slices.Contains([]events.Name{events.Ready, events.Offer, events.Answer, events.Candidate}, e.Name) {
			l.sent = append(l.sent, e.Sequence)
		}
	}
	return l
}

// ended waits until a session has its ending in the log.
func (h *house) ended(id events.SessionID) func() string {
	return func() string {
		if l := h.read(id); l.endings == 0 {
			return fmt.Sprintf("the ending of %s, which has %v", id, l.named)
		}
		return ""
	}
}

// checkOnce holds for every session, whatever happened to gateways and NATS: nothing is lost, nothing doubled.
func (h *house) checkOnce(id events.SessionID, l life) {
	h.t.Helper()
	require.Equal(h.t, 1, l.named[events.Created], "%s: created", id)
	require.Equal(h.t, 1, l.named[events.Joined], "%s: joined", id)
	require.Equal(h.t, 1, l.endings, "%s: %v", id, l.named)
	for _, n := range []events.Name{events.Claimed, events.Launched, events.Ready, events.Offer} {
		// A launch that has failed, for the log was away over it, has another attempt.
		require.LessOrEqual(h.t, l.named[n], 1+l.named[events.AttemptFailed], "%s: %s", id, n)
	}
	for p, n := range l.connected {
		require.Equal(h.t, 1, n, "%s: connected of peer %s", id, p)
	}
	peers := map[events.PeerID]bool{}
	for _, a := range l.attached {
		peers[a.Peer] = true
	}
	require.LessOrEqual(h.t, len(peers), 1, "%s: all its sockets are one client's", id)
}

// checkConnected holds for a session whose client got its picture.
func (h *house) checkConnected(id events.SessionID, l life, v *viewer) {
	h.t.Helper()
	require.Equal(h.t, 1+l.named[events.AttemptFailed], l.named[events.Claimed], "%s: claimed", id)
	require.NotZero(h.t, l.named[events.Launched], "%s: launched", id)
	for _, n := range []events.Name{events.Ready, events.Offer, events.Connected, events.Disconnected} {
		require.Equal(h.t, 1, l.named[n], "%s: %s", id, n)
	}
	require.LessOrEqual(h.t, len(v.got), len(l.sent), "%s: the client got %v, the log has %v", id, v.got, l.sent)
	require.Equal(h.t, l.sent[:len(v.got)], v.got, "%s: what the client got is what was sent to it, in order, each once, without a gap", id)
	for _, a := range l.attached {
		require.NotNil(h.t, a.Resumed)
		require.Contains(h.t, append(slices.Clone(v.got), 0), *a.Resumed, "%s: it goes on after something that it got", id)
	}
}

// checkLog has the whole log looked at by `streamstack verify`, which knows the rules that every history keeps.
func (h *house) checkLog() {
	h.t.Helper()
	said, code := stack.Command(h.t, append([]string{"verify"}, h.Find...)...)
	require.Zero(h.t, code, said)
}
