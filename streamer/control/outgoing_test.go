package control

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// rawMessage writes a message as the client would.
func rawMessage(t require.TestingT, kind string, data any) []byte {
	raw, err := json.Marshal(map[string]any{"type": kind, "data": data})
	require.NoError(t, err)
	return raw
}

func TestOutgoing(t *testing.T) {
	for name, test := range map[string]struct {
		build func() ([]byte, error)
		want  string
	}{
		"open-camera": {func() ([]byte, error) {
			return OpenCamera(Camera{Width: 1280, Height: 720, Front: true, FrameRate: 30})
		}, `{"type":"open-camera","data":"{\"resolution\":{\"width\":1280,\"height\":720},\"facing-mode\":\"front\",\"frame-rate\":30}"}`},
		"open-camera, rear": {func() ([]byte, error) { return OpenCamera(Camera{Width: 1, Height: 2, FrameRate: 3}) },
			`{"type":"open-camera","data":"{\"resolution\":{\"width\":1,\"height\":2},\"facing-mode\":\"rear\",\"frame-rate\":3}"}`},
		"close-camera": {CloseCamera, `{"type":"close-camera"}`},
		"enable-microphone": {func() ([]byte, error) { return EnableMicrophone(Microphone{Freq: 48000, Channels: 2, Samples: 480}) },
			`{"type":"enable-microphone","data":"{\"freq\":48000,\"channels\":2,\"samples\":480}"}`},
		"disable-microphone": {DisableMicrophone, `{"type":"disable-microphone"}`},
		"show-ime":           {ShowIME, `{"type":"show-ime"}`},
		"hide-ime":           {HideIME, `{"type":"hide-ime"}`},
		"activate-sensor": {func() ([]byte, error) { return ActivateSensor(SensorAcceleration) },
			`{"type":"activate-sensor","data":"{\"type\":\"acceleration\"}"}`},
		"deactivate-sensor": {func() ([]byte, error) { return DeactivateSensor(SensorOrientation) },
			`{"type":"deactivate-sensor","data":"{\"type\":\"orientation\"}"}`},
		"custom": {func() ([]byte, error) { return Custom("streamstack::note", map[string]int{"n": 1}) },
			`{"type":"streamstack::note","data":"{\"n\":1}"}`},
		"custom without data": {func() ([]byte, error) { return Custom("streamstack::note", nil) }, `{"type":"streamstack::note"}`},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := test.build()
			require.NoError(t, err)
			assert.Equal(t, test.want, string(raw))
		})
	}
}

func TestCustomRefuses(t *testing.T) {
	for name := range ownTypes {
		_, err := Custom(name, nil)
		require.ErrorContains(t, err, name)
	}
	_, err := Custom("", nil)
	require.Error(t, err)
	_, err = Custom("note", math.NaN())
	require.Error(t, err)
	_, err = Custom("note", strings.Repeat("x", MaxMessage))
	require.ErrorContains(t, err, "send it in parts")
}

// TestCustomIsEncodedTwice: whatever goes in, the client's two parsers get it back.
func TestCustomIsEncodedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "data")
		raw, err := Custom("note", data)
		require.NoError(t, err)
		var envelope struct{ Type, Data string }
		require.NoError(t, json.Unmarshal(raw, &envelope))
		inner := map[string]string{}
		require.NoError(t, json.Unmarshal([]byte(envelope.Data), &inner))
		assert.Equal(t, data, inner)
	})
}
