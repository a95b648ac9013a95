package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/gateway/client"
)

// TestClients: how clients come to their pictures, and what they are to each other. One stack and two browsers for all, in which
// the session that its client is late for waits meanwhile.
func TestClients(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t), "--slots", "8") // whose client has gone keeps its place for a moment
	one, two := open(t, s, ""), open(t, s, "")
	waiting := s.Create(client.CreateRequest{App: "testcard", Joinable: true}).ID
	t.Run("by TURN only", func(t *testing.T) { checkRelay(t, one.of(t)) })
	t.Run("two sessions side by side", func(t *testing.T) { checkTwoSessions(t, one.of(t), two.of(t)) })
	t.Run("the second displaces the first", func(t *testing.T) { checkDisplaces(t, one.of(t), two.of(t)) })
	t.Run("by version 1", func(t *testing.T) { checkVersion1(t, two.of(t)) })
	t.Run("late", func(t *testing.T) { checkLateClient(t, one.of(t), waiting) })
	s.Verify()
}

// checkLateClient: a client that opens its socket 10 s after the streamer was ready connects all the same.
func checkLateClient(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	const late = 10 * time.Second
	ready := v.s.Await(id, events.Streamer, events.Ready)
	stack.Eventually(t, 2*late, func() string {
		if left := late - time.Since(ready.Time); left > 0 {
			return left.String() + " of waiting"
		}
		return ""
	})
	v.again("")
	v.join(id)
	attached := v.s.Await(id, events.Client, events.Attached)
	require.Greater(t, attached.Time.Sub(ready.Time), late)
	checkPicture(t, v)
}

// join clicks on Join beside a session.
func (v viewer) join(id events.SessionID) {
	v.T.Helper()
	button := `#sessions [data-session="` + string(id) + `"] button[data-action="join"]`
	v.Wait(`document.querySelector('`+button+`')`, "the session in the list")
	v.Click(button)
	v.live()
}

// checkRelay: a client that may use TURN only gets its picture through the embedded server.
func checkRelay(t *testing.T, v viewer) {
	t.Helper()
	v.again(stack.RelayOnly)
	id := v.start("testcard")
	checkRelayed(t, v, id)
	checkPicture(t, v)
}

// checkRelayed looks at both ends of the client's connection.
func checkRelayed(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	// The relay's own address may differ from what the streamer sees on a machine with several, so the browser may call
	// the pair's end peer-reflexive; its relay protocol tells that it goes through TURN all the same.
	var relayed struct{ Policy, Protocol string }
	v.Eval(`streamstack.pc.getStats().then((all) => {
		const stats = [...all.values()], transport = stats.find((s) => s.type === 'transport');
		const local = all.get(all.get(transport.selectedCandidatePairId).localCandidateId);
		return {Policy: streamstack.pc.getConfiguration().iceTransportPolicy, Protocol: local.relayProtocol ?? ''};
	})`, &relayed)
	require.Equal(t, "relay", relayed.Policy)
	// The relay is offered over UDP and TCP; on a busy machine the path over TCP can be the first that is found to work.
	require.Contains(t, []string{"udp", "tcp"}, relayed.Protocol, "the protocol between browser and relay")
	for _, e := range v.s.History(id) {
		if e.Is(events.Client, events.Candidate) {
			var c events.CandidateData
			require.NoError(t, e.Decode(&c))
			require.Contains(t, c.Candidate, "typ relay")
		}
	}
}

// containsField tells whether one of the fields of a candidate line is want.
func containsField(line, want string) bool { return slices.Contains(strings.Fields(line), want) }

// checkTwoSessions: two applications side by side, and neither gets the other's input.
func checkTwoSessions(t *testing.T, one, two viewer) {
	t.Helper()
	one.again("")
	two.again("")
	a, b := one.start("testcard"), two.start("testcard")
	require.NotEqual(t, a, b)
	cardA, cardB := one.card(), two.card()
	one.Click(`#video`)
	one.colourAt(cardA.ClickPatch, clicked, "the click patch of the first session")
	two.colourAt(cardB.ClickPatch, untouched, "the click patch of the second session after a click in the first")
	two.Do(keyQ)
	two.colourAt(cardB.KeyPatch, typed, "the key patch of the second session")
	one.colourAt(cardA.KeyPatch, untouched, "the key patch of the first session after a key in the second")

	// And another application beside them shows something else.
	one.again("")
	one.start("xterm")
	require.Greater(t, distance(one.sample(centre(cardA.Bars[0].Rect))[0], cardA.Bars[0].Colour), near,
		"xterm shows the test card's first bar")
}

// checkDisplaces: the second client gets the picture, and the first is told in its page that it is over.
func checkDisplaces(t *testing.T, one, two viewer) {
	t.Helper()
	g := one.s.Create(client.CreateRequest{App: "testcard", Joinable: true})
	one.again("")
	two.again("")
	one.join(g.ID)
	two.join(g.ID)
	one.Wait(`streamstack.state !== 'live' && streamstack.state !== 'interrupted'`, "the end of the first client's stream")
	var d events.DisconnectedData
	require.NoError(t, one.s.Await(g.ID, events.Streamer, events.Disconnected).Decode(&d))
	require.Equal(t, events.ReasonDisplaced, d.Reason)
	checkPicture(t, two)
}
