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

// TestLateClient: a client that opens its socket 10 s after the streamer was ready connects all the same.
func TestLateClient(t *testing.T) {
	const late = 10 * time.Second
	s := stack.Up(t, stack.DataDir(t))
	g := s.Create(client.CreateRequest{App: "testcard", Joinable: true})
	ready := s.Await(g.ID, events.Streamer, events.Ready)
	stack.Eventually(t, 2*late, func() string {
		if left := late - time.Since(ready.Time); left > 0 {
			return left.String() + " of waiting"
		}
		return ""
	})
	v := open(t, s, "")
	v.join(g.ID)
	h := s.History(g.ID)
	attached := h[place(t, h, events.Client, events.Attached)]
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

// TestRelay: a client that may use TURN only gets its picture through the embedded server.
func TestRelay(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	v := open(t, s, "&relay=1")
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

// TestTwoSessions: two applications side by side, and neither gets the other's input.
func TestTwoSessions(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	one, two := open(t, s, ""), open(t, s, "")
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
	three := open(t, s, "")
	three.start("xterm")
	require.Greater(t, distance(three.sample(centre(cardA.Bars[0].Rect))[0], cardA.Bars[0].Colour), near,
		"xterm shows the test card's first bar")
}

// TestJoinDisplaces: the second client gets the picture, and the first is told in its page that it is over.
func TestJoinDisplaces(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	g := s.Create(client.CreateRequest{App: "testcard", Joinable: true})
	one, two := open(t, s, ""), open(t, s, "")
	one.join(g.ID)
	two.join(g.ID)
	one.Wait(`streamstack.state !== 'live' && streamstack.state !== 'interrupted'`, "the end of the first client's stream")
	var d events.DisconnectedData
	require.NoError(t, s.Await(g.ID, events.Streamer, events.Disconnected).Decode(&d))
	require.Equal(t, events.ReasonDisplaced, d.Reason)
	checkPicture(t, two)
	s.Verify()
}
