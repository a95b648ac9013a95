package settings

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
)

// documented is the example of streamer-config.md, section 2.
const documented = `{ "video": {
    "bitrate_limits": [
      { "num_pixels": 921600,  "fps": 30, "min_kbps": 800,  "max_kbps": 2500 },
      { "num_pixels": 921600,  "fps": 60, "min_kbps": 1500, "max_kbps": 4500 },
      { "num_pixels": 2073600, "fps": 60, "min_kbps": 3000, "max_kbps": 9000 } ],
    "disabled_codecs": ["AV1"],
    "nvidia_h264": { "multipass": true, "aq": true, "aq_strength": 8, "preset": 3 } } }`

// parse parses, and returns what was logged.
func parse(text string) (Settings, string) {
	output := &eventstest.Output{}
	s := Parse([]byte(text), slog.New(slog.NewTextHandler(output, nil)))
	return s, output.String()
}

func TestTheDocumentedExample(t *testing.T) {
	t.Parallel()
	s, said := parse(documented)
	require.Empty(t, said)
	require.Equal(t, []frame.Codec{frame.AV1}, s.Disabled)
	require.Equal(t, map[frame.Codec]encoder.NVENC{frame.H264: {Multipass: true, AQ: true, AQStrength: 8, Preset: 3}}, s.NVENC)
	require.Equal(t, bitrate.Limit{NumPixels: 921600, FPS: 60, MinKbps: 1500, MaxKbps: 4500}, s.Bitrate.Select(1280, 720, 60))
	require.Equal(t, 9000, s.Bitrate.Select(1920, 1080, 60).MaxKbps)
}

// Each fault is told by its key, and costs that key alone.
func TestFaults(t *testing.T) {
	t.Parallel()
	defaults := bitrate.Table{}.Select(1280, 720, 30)
	for text, c := range map[string]struct {
		says  string
		check func(Settings)
	}{
		`{}`:                                {"", nil},
		`{"video":null,"nvidia_av1":null}`:  {"", nil},
		`{"video":{"bitrate_limits":[]}}`:   {"", func(s Settings) { require.Equal(t, defaults, s.Bitrate.Select(1280, 720, 30)) }},
		``:                                  {"no JSON object", nil},
		`[]`:                                {"no JSON object", nil},
		`{"video":{"disabled_codecs":"AV1"`: {"no JSON object", nil},
		`{"video":[],"nvidia_h264":{"preset":7}}`: {"key=video ", func(s Settings) { require.Equal(t, 7, s.NVENC[frame.H264].Preset) }},
		`{"video":{"disabled_codecs":["h264","VP9","H265"]}}`: {"H265", func(s Settings) {
			require.Equal(t, []frame.Codec{frame.H264, frame.VP9}, s.Disabled)
		}},
		`{"video":{"disabled_codecs":"AV1","bitrate_limits":[{"max_kbps":"x"},{"max_kbps":700}]}}`: {"video.bitrate_limits[0]", func(s Settings) {
			require.Empty(t, s.Disabled)
			require.Equal(t, 700, s.Bitrate.Select(1280, 720, 30).MaxKbps)
		}},
		`{"video":{"disabled_codecs":["AV1",5,null]}}`: {"video.disabled_codecs[1]", func(s Settings) {
			require.Equal(t, []frame.Codec{frame.AV1}, s.Disabled)
		}},
		`{"video":{"bitrate_limits":[null]}}`: {"video.bitrate_limits[0]", func(s Settings) {
			require.Equal(t, defaults, s.Bitrate.Select(1280, 720, 30))
		}},
		`{"video":{"bitrate_limits":[{"min_kbps":9,"max_kbps":8}]}}`: {"min_kbps 9 is above max_kbps 8", func(s Settings) {
			require.Equal(t, defaults, s.Bitrate.Select(1280, 720, 30))
		}},
		`{"nvidia_av1":{"aq":"yes","aq_strength":16,"preset":-1,"multipass":true,"multipass_quarter_resolution":true}}`: {"nvidia_av1.aq_strength", func(s Settings) {
			require.Equal(t, encoder.NVENC{Multipass: true, QuarterResolution: true}, s.NVENC[frame.AV1])
		}},
		`{"nvidia_h264":{"preset":1,"aq":true},"video":{"nvidia_h264":{"preset":2}}}`: {"", func(s Settings) {
			require.Equal(t, encoder.NVENC{Preset: 2}, s.NVENC[frame.H264], "the one inside video wins")
		}},
	} {
		s, said := parse(text)
		require.Contains(t, said, c.says, text)
		require.Equal(t, c.says == "", said == "", "%s: %s", text, said)
		if c.check != nil {
			c.check(s)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	path, output := filepath.Join(t.TempDir(), "streamer.json"), &eventstest.Output{}
	log := slog.New(slog.NewTextHandler(output, nil))
	require.Equal(t, Settings{}, Read(path, log), "no file")
	require.Empty(t, output.String())
	require.NoError(t, os.WriteFile(path, []byte(documented), 0o600))
	require.Equal(t, []frame.Codec{frame.AV1}, Read(path, log).Disabled)
	require.NoError(t, os.WriteFile(path, []byte(documented+strings.Repeat(" ", maxSize)), 0o600))
	require.Equal(t, Settings{}, Read(path, log))
	require.Contains(t, output.String(), "larger than")
	require.Equal(t, Settings{}, Read(t.TempDir(), log), "a folder")
}

// Whatever the file says, the settings that come of it are good ones.
func FuzzParse(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"nvidia_av1":{"aq":"yes","aq_strength":16,"preset":-1}}`))
	f.Add([]byte(`{"video":{"bitrate_limits":[{"min_kbps":9,"max_kbps":8}],"disabled_codecs":["x"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Parse(text, slog.New(slog.DiscardHandler))
		for _, n := range s.NVENC {
			require.True(t, n.AQStrength >= 0 && n.AQStrength <= encoder.MaxAQStrength && n.Preset >= 0 && n.Preset <= encoder.MaxPreset)
		}
		require.NoError(t, s.Bitrate.Select(1280, 720, 60).Validate())
	})
}
