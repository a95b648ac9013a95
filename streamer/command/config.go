package command

import (
	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/streamer/settings"
)

// configFlag names the streamer's configuration, for agents whose streamers run on one machine with others.
func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "streamer-config", Usage: "the streamer's configuration, a JSON `FILE`", Value: settings.Path, TakesFile: true, Sources: connect.Env("streamer-config")}
}
