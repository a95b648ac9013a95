package peer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

func TestParseSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		json string
		want Settings
	}{
		"the SDK's": {
			`{"type":"settings","api_version":2,"data_channels":["chat"],"enable_speaker":true,"enable_microphone":false,
			  "enable_video":true,"enable_camera":true,"device_type":"tablet","foreground_activity":"com.example.racing.MainActivity",
			  "video":{"preferred_decoder_codecs":["AV1","h264","H264","theora"]}}`,
			Settings{
				APIVersion: 2, DataChannels: []string{"chat"}, EnableSpeaker: true, EnableVideo: true, EnableCamera: true,
				DeviceType: "tablet", ForegroundActivity: "com.example.racing.MainActivity",
				PreferredCodecs: []frame.Codec{frame.AV1, frame.H264},
			},
		},
		"version 1":       {`{"api_version":1}`, Settings{APIVersion: 1, EnableSpeaker: true, EnableVideo: true}},
		"version 0":       {`{"api_version":0}`, Settings{APIVersion: 1, EnableSpeaker: true, EnableVideo: true}},
		"nothing":         {`{}`, Settings{APIVersion: 2, EnableSpeaker: true, EnableVideo: true}},
		"unknown fields":  {`{"new":{"a":[1]}}`, Settings{APIVersion: 2, EnableSpeaker: true, EnableVideo: true}},
		"repeated labels": {`{"data_channels":["control","a","a"]}`, Settings{APIVersion: 2, EnableSpeaker: true, EnableVideo: true, DataChannels: []string{"a"}}},
		"odd labels": {`{"data_channels":["../etc","","a","a b","` + strings.Repeat("a", 65) + `"]}`,
			Settings{APIVersion: 2, EnableSpeaker: true, EnableVideo: true, DataChannels: []string{"a"}}},
		"all off": {`{"enable_speaker":false,"enable_video":false}`, Settings{APIVersion: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSettings([]byte(test.json))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON":      `settings`,
		"a list":       `[]`,
		"wrong type":   `{"enable_video":"yes"}`,
		"six channels": `{"data_channels":["a","b","c","d","e","f"]}`,
		"version 3":    `{"api_version":3}`,
		"version -1":   `{"api_version":-1}`,
		"shell":        `{"foreground_activity":"a;reboot"}`,
		"two lines":    `{"device_type":"a\nb"}`,
		"huge":         `{"device_type":"` + strings.Repeat("a", maxSettingsBytes) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSettings([]byte(text))
			require.ErrorIs(t, err, ErrSettings)
		})
	}
}

// The text is shown in the browser: it names the member as the page has it, and nothing of ours.
func TestSettingsAreRefusedInWordsOfThePage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"api_version":"2"}`:                            "api_version must be a whole number",
		`{"api_version":2.5}`:                            "api_version must be a whole number",
		`{"enable_video":"yes"}`:                         "enable_video must be true or false",
		`{"data_channels":"chat"}`:                       "data_channels must be a list of strings",
		`{"data_channels":["a",5]}`:                      "data_channels must be a string",
		`{"device_type":7}`:                              "device_type must be a string",
		`{"video":[]}`:                                   "video must be an object",
		`{"video":{"preferred_decoder_codecs":"VP8"}}`:   "video.preferred_decoder_codecs must be a list of strings",
		`{"video":{"preferred_decoder_codecs":[["a"]]}}`: "video.preferred_decoder_codecs must be a string",
		`[]`: "a settings message is a JSON object",
		``:   "a settings message is a JSON object",
	} {
		_, err := ParseSettings([]byte(text))
		require.EqualError(t, err, "peer: invalid settings: "+want, text)
	}
}

// Whatever names come, what is accepted keeps the limits.
func TestParseSettingsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_.-]{1,64}`), rapid.String()), 0, 7).Draw(t, "names")
		text, err := json.Marshal(map[string]any{"data_channels": names, "device_type": rapid.String().Draw(t, "device")})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSettings(text)
		if err == nil && s.Validate() != nil {
			t.Fatalf("accepted %s", text)
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`{"api_version":2,"data_channels":["chat"],"video":{"preferred_decoder_codecs":["VP8"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSettings(data); err == nil && s.Validate() != nil {
			t.Fatalf("accepted %q", data)
		}
	})
}
