package signalling

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	settings, err := json.Marshal(Settings{EnableSpeaker: true, EnableVideo: true})
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"settings","api_version":2,"data_channels":[],"enable_speaker":true,"enable_microphone":false,"enable_video":true,"enable_camera":false}`, string(settings))
	mid, index := "0", uint16(0)
	candidate, err := json.Marshal(Message{Type: TypeCandidate, Candidate: "candidate:1", SDPMid: &mid, SDPMLineIndex: &index})
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"candidate","candidate":"Y2FuZGlkYXRlOjE=","sdpMid":"0","sdpMLineIndex":0}`, string(candidate))
}

// Whatever comes, a message is read or refused, and one that was read is written the same.
func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		`{"type":"resp:discover","max_api_version":2,"fps":60,"capabilities":["vhal"],"sequence":7}`, `{"type":"offer","sdp":"dj0wDQpvPS0g"}`,
		`{"type":"candidate","candidate":"Y2FuZGlkYXRlOjE","sdpMid":null,"sdpMLineIndex":0}`, `{"type":"error","code":5,"message":"bad request"}`,
		`{"type":5}`, `[]`, ``, `{"type":"offer","sdp":"%"}`, `{"type":"offer","sdp":"/w=="}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, ok := parse(data)
		if !ok {
			return
		}
		again, err := json.Marshal(m)
		require.NoError(t, err)
		n, ok := parse(again)
		require.True(t, ok, "%s", again)
		if len(m.Capabilities) == 0 {
			m.Capabilities = nil // left out when it is written
		}
		require.Equal(t, m, n)
	})
}
