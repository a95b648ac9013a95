package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"streamstack/streamer/frame"
)

// configFile is the streamer's configuration in the instance (streamer-config.md, section 1).
const configFile = "/var/lib/anbox/streamer.json"

// disabledCodecs reads `video.disabled_codecs` of a configuration file. A file that is not there disables nothing; neither does one
// that is faulty, which is logged and never keeps a streamer from starting.
func disabledCodecs(path string, log *slog.Logger) []frame.Codec {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var disabled []frame.Codec
	if err == nil {
		disabled, err = parseDisabled(text)
	}
	if err != nil {
		log.Warn("not all of the streamer's configuration counts", "file", path, "err", err)
	}
	return disabled
}

// parseDisabled returns the codecs it knows, in any letter case, also beside an error that names those it does not.
func parseDisabled(text []byte) (disabled []frame.Codec, err error) {
	var file struct {
		Video struct {
			Disabled []string `json:"disabled_codecs"`
		} `json:"video"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("streamer: it is no JSON of the form that is expected: %w", err)
	}
	var unknown []string
	for _, name := range file.Video.Disabled {
		switch codec := frame.Codec(strings.ToUpper(name)); codec {
		case frame.AV1, frame.H264, frame.VP8, frame.VP9:
			disabled = append(disabled, codec)
		default:
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return disabled, fmt.Errorf("streamer: video.disabled_codecs has %q: use AV1, H264, VP8, VP9", unknown)
	}
	return disabled, nil
}
