package peer

import (
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
)

func TestCountPairs(t *testing.T) {
	t.Parallel()
	host := webrtc.ICECandidateStats{CandidateType: webrtc.ICECandidateTypeHost, Protocol: "udp"}
	relay := webrtc.ICECandidateStats{CandidateType: webrtc.ICECandidateTypeRelay, Protocol: "udp"}
	pair := func(local, remote string, state webrtc.StatsICECandidatePairState) webrtc.ICECandidatePairStats {
		return webrtc.ICECandidatePairStats{LocalCandidateID: local, RemoteCandidateID: remote, State: state}
	}
	require.Empty(t, countPairs(webrtc.StatsReport{"h": host, "x": webrtc.TransportStats{}}))
	require.Equal(t, []Pairs{
		{Local: "host", Remote: "host", Protocol: "udp", Count: 2, Answered: 1}, {Local: "host", Remote: "relay", Protocol: "udp", Count: 1},
	}, countPairs(webrtc.StatsReport{
		"a": host, "b": host, "c": host, "r": relay,
		"1": pair("a", "b", webrtc.StatsICECandidatePairStateFailed), "2": pair("a", "c", webrtc.StatsICECandidatePairStateSucceeded),
		"3": pair("a", "r", webrtc.StatsICECandidatePairStateInProgress), "4": pair("a", "gone", webrtc.StatsICECandidatePairStateFailed),
	}))
}

// A client whose packets never arrive leaves behind which pairs were tried.
func TestPairsOfAConnectionThatNeverCame(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, func(cfg *Config) { cfg.Network = quickNetwork(t) })
	c := newClient(t, clientOptions{muteable: true})
	c.socket.mute()
	require.NoError(t, negotiate(t.Context(), t, p, r, c))
	until(t, r.missing("disconnected lost"))
	require.NotEmpty(t, p.Pairs())
	for _, k := range p.Pairs() {
		require.Zero(t, k.Answered, "%+v", k)
		require.Equal(t, "udp", k.Protocol)
	}
}

func TestPairsOfAConnection(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	connect(t, p, r, newClient(t, clientOptions{}))
	answered := 0
	for _, k := range p.Pairs() {
		answered += k.Answered
	}
	require.Positive(t, answered, "%+v", p.Pairs())
}
