package up

import (
	"context"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	agent "streamstack/agent/command"
	"streamstack/deployments/nats"
	"streamstack/events/connect"
	gateway "streamstack/gateway/command"
	"streamstack/projections/progress"
	streamer "streamstack/streamer/command"
)

// Command is `streamstack up`.
func Command(version string) *cli.Command {
	flags := []cli.Flag{
		connect.DataFlag(),
		&cli.StringFlag{Name: "nats-listen", Usage: "`ADDR` of the embedded NATS, for analytics clients and further components", Value: "127.0.0.1:4222", Sources: connect.Env("nats-listen")},
		&cli.StringFlag{Name: "sync", Usage: "when the log is on disk, `MODE`: always (before an event is acknowledged) or interval (every 5 s)", Value: natsd.SyncInterval, Sources: connect.Env("sync")},
		&cli.BoolFlag{Name: "verbose", Usage: "log every step", Sources: connect.Env("verbose")},
		connect.RetentionFlag(), connect.SDPRetentionFlag(), connect.QualityRetentionFlag(),
	}
	flags = append(flags, gateway.Flags()...)
	flags = append(flags, agent.Flags()...)
	flags = append(flags, streamer.NetworkFlags()...)
	return &cli.Command{
		Name: "up", Usage: "everything in one process; open the printed address in a browser",
		Description:  "Runs until SIGINT or SIGTERM, then drains: no instance, X server or sound server is left behind.",
		OnUsageError: connect.OnUsageError, Flags: flags,
		Action: func(ctx context.Context, cmd *cli.Command) error { return run(ctx, cmd, version) },
	}
}

// settings are the flags, read and checked before anything starts.
type settings struct {
	data, natsListen, sync string
	gateway                gateway.Options
	agent                  agent.Options
	log                    *slog.Logger
}

func parse(cmd *cli.Command, version string) (s settings, err error) {
	if err := connect.NoArgs(cmd); err != nil {
		return s, err
	}
	if s.data, err = connect.DataDir(cmd); err != nil {
		return s, err
	}
	s.natsListen, s.sync = cmd.String("nats-listen"), cmd.String("sync")
	if s.sync != natsd.SyncAlways && s.sync != natsd.SyncInterval {
		return s, connect.Usagef("up: --sync takes %s or %s, not %q", natsd.SyncAlways, natsd.SyncInterval, s.sync)
	}
	if s.gateway, err = gateway.ParseFlags(cmd); err != nil {
		return s, err
	}
	if s.agent, err = agent.ParseFlags(cmd); err != nil {
		return s, err
	}
	if err := streamer.CheckNetworkFlags(cmd, s.agent.Slots); err != nil {
		return s, err
	}
	level := slog.LevelWarn
	if cmd.Bool("verbose") {
		level = slog.LevelDebug
	}
	s.log = slog.New(slog.NewTextHandler(connect.Err(cmd), &slog.HandlerOptions{Level: level}))
	s.gateway.Data, s.gateway.Version, s.gateway.Logger = s.data, version, s.log
	s.gateway.Progress = progress.New(os.Stderr, s.log, "the log")
	s.agent.Data, s.agent.Version, s.agent.Logger = s.data, version, s.log
	s.agent.StreamerEnv = streamer.NetworkEnv(cmd)
	return s, nil
}
