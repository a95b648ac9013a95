package command

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/bitrate"
)

// What is right in a file counts; what is wrong leaves the default table and a line in the log.
func TestBitrateLimits(t *testing.T) {
	one := bitrate.Limit{NumPixels: 921600, FPS: 30, MinKbps: 300, MaxKbps: 12000}
	standard := bitrate.Table{}.Select(1280, 720, 30)
	for text, want := range map[string]struct {
		limit  bitrate.Limit
		logged string
	}{
		``:                                      {standard, "do not count"},
		`{"video":{"disabled_codecs":["AV1"]}}`: {standard, ""},
		`{"video":{"bitrate_limits":[{"num_pixels":921600,"fps":30,"min_kbps":300,"max_kbps":12000}]}}`:                             {one, ""},
		`{"video":{"bitrate_limits":[{"min_kbps":2,"max_kbps":1},{"num_pixels":921600,"fps":30,"min_kbps":300,"max_kbps":12000}]}}`: {one, "swap them"},
		`{"video":{"bitrate_limits":[{"num_pixels":"many","fps":30}]}}`:                                                             {standard, "do not count"},
		`{"video":{"bitrate_limits":{}}}`: {standard, "do not count"},
	} {
		path, output := filepath.Join(t.TempDir(), "streamer.json"), &eventstest.Output{}
		log := slog.New(slog.NewTextHandler(output, nil))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.Equal(t, want.limit, bitrateLimits(path, log).Select(1280, 720, 30), text)
		if want.logged == "" {
			require.Empty(t, output.String(), text)
		}
		require.Contains(t, output.String(), want.logged, text)
	}
	output := &eventstest.Output{}
	log := slog.New(slog.NewTextHandler(output, nil))
	require.Equal(t, standard, bitrateLimits(filepath.Join(t.TempDir(), "none"), log).Select(1280, 720, 30))
	require.Empty(t, output.String())
}
