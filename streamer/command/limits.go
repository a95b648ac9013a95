package command

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/streamer/bitrate"
)

// configFlag names the streamer's configuration, for agents whose streamers run on one machine with others.
func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "streamer-config", Usage: "the streamer's configuration, a JSON `FILE`", Value: configFile, TakesFile: true, Sources: connect.Env("streamer-config")}
}

// bitrateLimits reads `video.bitrate_limits` of a configuration file (streamer-config.md, section 3). A file that is not there
// gives the default table; so does one that is faulty, which is logged.
func bitrateLimits(path string, log *slog.Logger) bitrate.Table {
	var file struct {
		Video struct {
			Limits []bitrate.Limit `json:"bitrate_limits"`
		} `json:"video"`
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return bitrate.Table{}
	}
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		log.Warn("the streamer's bitrate limits do not count", "file", path, "err", err)
		return bitrate.Table{}
	}
	return bitrate.NewTable(log, file.Video.Limits)
}
