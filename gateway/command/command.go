package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/progress"
)

// connectTime bounds the wait for NATS at the start.
const connectTime = 30 * time.Second

// Command is `streamstack gateway`; version is shown by its status.
func Command(version string) *cli.Command {
	return &cli.Command{
		Name: "gateway", Usage: "one component: REST, websocket and console, against a NATS server that already runs",
		OnUsageError: connect.OnUsageError,
		Flags: append(append(connect.NATSFlags(), Flags()...),
			&cli.IntFlag{Name: "replicas", Usage: "copies of each stream in the cluster, `N` of 1, 3, 5", Value: 1, Sources: connect.Env("replicas")},
			connect.RetentionFlag(), connect.SDPRetentionFlag(), connect.QualityRetentionFlag()),
		Action: func(ctx context.Context, cmd *cli.Command) error { return run(ctx, cmd, version) },
	}
}

func run(ctx context.Context, cmd *cli.Command, version string) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	connect.SurvivePipe()
	o, err := ParseFlags(cmd)
	if err != nil {
		return err
	}
	if cmd.String("nats") == "" {
		return connect.Usagef("gateway: name the NATS server with --nats URL (`streamstack up` brings one of its own)")
	}
	if o.Data, err = connect.DataDir(cmd); err != nil {
		return err
	}
	o.Version, o.Logger = version, slog.New(slog.NewTextHandler(os.Stderr, nil))
	o.Progress = progress.New(os.Stderr, o.Logger, "the log")
	dial, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	nc, err := connect.DialPatiently(dial, cmd.String("nats"), cmd.String("creds"), "gateway", o.Logger)
	if err != nil {
		return err
	}
	defer nc.Close()
	o.Log, err = events.New(nc, o.Logger, events.WithSDPRetention(cmd.Duration("sdp-retention")))
	if err != nil {
		return err
	}
	err = events.CreateStreams(dial, o.Log.JetStream(), events.StreamsConfig{
		Replicas: cmd.Int("replicas"), Retention: cmd.Duration("retention"), SDPRetention: cmd.Duration("sdp-retention"),
		QualityRetention: cmd.Duration("quality-retention")})
	if err != nil {
		return err
	}
	o.Streamer = Streamers(cmd.String("nats"), o.Logger)
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	return s.Run(ctx, func() {
		_, _ = fmt.Fprintf(connect.Out(cmd), "gateway: %s\n", s.URL()) // a closed output stops no gateway
		if _, sum := s.Certificate(); sum != "" {
			_, _ = fmt.Fprintf(connect.Err(cmd), "certificate: SHA-256 %s\n", sum)
		}
	})
}
