package gateway

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

// Whatever a master says, what is appended of it is sound and about the session's client; the rest does no more than end the
// master's own socket.
func FuzzMaster(f *testing.F) {
	x := fuzz(f)
	x.host(f)
	id := events.SessionID(x.names["session"])
	for _, s := range []string{
		`{"type":"resp:discover","max_api_version":2,"fps":30}`, `{"type":"resp:discover","max_api_version":"2"}`, `{"type":"error","message":"no codec"}`,
		`{"type":"offer","sdp":"dj0w","dataChannels":["line"]}`, `{"type":"answer","sdp":"dj0w"}`, `{"type":"offer","sdp":"not base64"}`, `{"type":"offer","sdp":7}`,
		`{"type":"candidate","candidate":"Y2FuZGlkYXRlOjE=","sdpMid":"0","sdpMLineIndex":0}`, `{"type":"candidate","candidate":"","sdpMLineIndex":65536}`,
		`{"type":"connected"}`, `{"type":"error","message":null}`, `{}`, `null`, `[]`, `{`, "", "{\"type\":\"error\",\"message\":\"\xff\"}",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, ready bool) {
		s, last, err := projections.Load(t.Context(), x.cfg.Log, region, id)
		require.NoError(t, err)
		s.JoinedSeq = last // what was before is not asked here
		m := &master{g: x.Gateway, session: s, log: x.cfg.Log}
		if ready {
			m.readyAt, m.begun, m.speaks = last, s.Peer, s.Peer
		}
		if err := m.fromMaster(t.Context(), frame); err != nil {
			var c closing
			require.True(t, errors.As(err, &c), "%v", err)
		}
		require.NoError(t, x.cfg.Log.History(t.Context(), region, id, last+1, func(e events.Event) error {
			require.True(t, e.Sound(), "%s: %s", e.Name, e.Data)
			require.Equal(t, events.Streamer, e.Actor)
			require.True(t, e.Name == events.Ready || e.Peer() == s.Peer, "%s of %q", e.Name, e.Peer())
			return nil
		}))
	})
}
