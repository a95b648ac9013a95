package timeline

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// connectedAs puts streamer.connected of a version at the end of a history, as a program of that version printed it.
func (s *script) connectedAs(version string, data any) *script {
	s.step(90*time.Millisecond, events.Streamer, events.Connected, data)
	e := &s.list[len(s.list)-1]
	e.Type = "streamstack.session.connected." + version
	text, err := json.Marshal(e)
	require.NoError(s.t, err)
	stored := e.Stored
	require.NoError(s.t, json.Unmarshal(text, e))
	e.Stored = stored
	return s
}

// A history with version 1 of an event and the same with version 2 are told alike, and fold alike.
func TestOldAndNewVersionsAreToldAlike(t *testing.T) {
	before := func() *script { return newScript(t).created().ready().negotiated(peer1, nil, nil) }
	one := before().connectedAs("v1", events.ConnectedDataV1{Peer: peer1, Codec: "H264", Encoder: "x264enc", Local: "host", Remote: "srflx", Protocol: "udp", ConnectMs: 192})
	two := before().connectedAs("v2", events.ConnectedData{Peer: peer1, Codec: "H264", Encoder: "x264enc", ConnectMs: 192,
		Pair: events.PairData{Local: events.CandidateEnd{Kind: "host"}, Remote: events.CandidateEnd{Kind: "srflx"}, Protocol: "udp"}})
	require.Equal(t, Build(two.list), Build(one.list))
	require.Equal(t, peer1, Build(one.list).Session.Connected)
	require.Contains(t, printed(t, one), "host↔srflx udp")
}

// An event of a version that this program does not know is shown with its data, and neither the state nor the words at
// the end rely on it.
func TestNewerVersionIsShownAndNotFolded(t *testing.T) {
	s := newScript(t).created().ready().connectedAs("v3", map[string]any{"peer": peer1, "pairs": []string{"misleading"}})
	text := printed(t, s)
	require.Contains(t, text, "streamer.connected")
	require.Contains(t, text, `"pairs":["misleading"]`)
	require.Contains(t, text, "not connected so far")
	require.Empty(t, Build(s.list).Session.Connected)

	// Nor does a session begin with a creation that may mean something else.
	newer := newScript(t).step(0, events.Gateway, events.Created, events.CreatedData{App: "testcard"}).list
	newer[0].Type = strings.Replace(newer[0].Type, ".v1", ".v9", 1)
	require.False(t, projections.Session{}.Apply(newer[0]).Known())
}

func TestIPv6IsWorthAWord(t *testing.T) {
	end := events.CandidateEnd{Kind: "host", Family: events.FamilyIPv6}
	s := newScript(t).created().ready().connectedAs("v2", events.ConnectedData{Peer: peer1, Pair: events.PairData{Local: end, Remote: end, Protocol: "udp"}})
	require.Contains(t, printed(t, s), "host↔host udp over IPv6")
}

func printed(t *testing.T, s *script) string {
	t.Helper()
	var b bytes.Buffer
	p := NewPrinter(&b, false, time.UTC)
	p.Timeline(Build(s.list), "")
	require.NoError(t, p.Flush())
	return b.String()
}
