package command

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/frame"
)

func TestDisabledCodecs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		codecs []frame.Codec
		says   string
	}{
		`{"video":{"disabled_codecs":["AV1","h264"],"bitrate_limits":[]}}`: {[]frame.Codec{frame.AV1, frame.H264}, ""},
		`{"video":{"disabled_codecs":["VP9","H265"]}}`:                     {[]frame.Codec{frame.VP9}, "H265"},
		`{}`:                                 {nil, ""},
		`{"video":{"disabled_codecs":"AV1"}`: {nil, "no JSON of the form"},
		``:                                   {nil, "no JSON of the form"},
	} {
		path, output := filepath.Join(t.TempDir(), "streamer.json"), &eventstest.Output{}
		log := slog.New(slog.NewTextHandler(output, nil))
		require.Empty(t, disabledCodecs(path, log), "no file")
		require.Empty(t, output.String())
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.Equal(t, want.codecs, disabledCodecs(path, log), text)
		require.Contains(t, output.String(), want.says)
		require.Equal(t, want.says == "", output.String() == "", text)
	}
}
