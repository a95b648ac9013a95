package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	agent "streamstack/agent/command"
	"streamstack/agent/driver/process"
	"streamstack/events/connect"
	"streamstack/streamer/media/encoder"
)

// needed says which of the elements of GStreamer that no session can be without are missing; probe tries every encoder that is
// known. Both are handed in, so that this package is free of cgo.
type (
	needed func(context.Context) error
	probe  func(context.Context, *slog.Logger) []encoder.Found
)

// Command is `streamstack doctor` (cli.md).
func Command(needed needed, probe probe) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "what this machine can do, and why not: GPUs, encoders, display, sound, container engine, AMS, ports, NATS, TURN", OnUsageError: connect.OnUsageError,
		Description: "Every encoder is tried with a few pictures. NO in capitals is what sessions cannot be without; the exit status is 1 if\n" +
			"there is one. NATS and TURN are those of the stack that runs on --data, or the server that --nats names.",
		Flags: slices.Concat([]cli.Flag{
			connect.JSONFlag(),
			&cli.StringFlag{Name: "listen", Usage: "`ADDR` that `up` is to serve REST and console on", Value: "127.0.0.1:4000", Sources: connect.Env("listen")},
			&cli.StringFlag{Name: "nats-listen", Usage: "`ADDR` of its NATS", Value: "127.0.0.1:4222", Sources: connect.Env("nats-listen")},
			&cli.StringFlag{Name: "turn-listen", Usage: "`ADDR` of its TURN", Value: "127.0.0.1:3478", Sources: connect.Env("turn-listen")},
		}, agent.ReachFlags(), connect.NATSFlags()),
		Action: func(ctx context.Context, cmd *cli.Command) error { return run(ctx, cmd, needed, probe) },
	}
}

func run(ctx context.Context, cmd *cli.Command, needed needed, probe probe) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	findings := gpus("/")
	findings = append(findings, gstreamer(ctx, needed, probe)...)
	findings = append(findings, instances(process.Needs())...)
	findings = append(findings, limits(process.CheckLimits()), namespaces(ctx))
	findings = append(findings, engines(ctx, cmd)...)
	servers, running, err := reach(ctx, cmd)
	if err != nil {
		return err
	}
	findings = append(findings, ports(ctx, []port{
		{"listen", cmd.String("listen"), false}, {"nats-listen", cmd.String("nats-listen"), false}, {"turn-listen", cmd.String("turn-listen"), true},
	}, running)...)
	findings = append(findings, servers...)
	show := printTable
	if cmd.Bool("json") {
		show = printJSON
	}
	if err := show(connect.Out(cmd), findings); err != nil {
		return err
	}
	return verdict(findings)
}

// gstreamer tells of the elements and, codec by codec, of the encoders.
func gstreamer(ctx context.Context, needed needed, probe probe) []Finding {
	found := []Finding{of("gstreamer", "elements", "all that sessions need", true, needed(ctx))}
	err := errors.New("no encoder works: the lines above say why")
	encoders := probe(ctx, slog.New(slog.DiscardHandler))
	slices.SortStableFunc(encoders, func(a, b encoder.Found) int { return strings.Compare(string(a.Codec), string(b.Codec)) })
	for _, e := range encoders {
		f := Finding{Area: "encoder", Name: e.Name, OK: e.OK, Reason: e.Reason, Codec: string(e.Codec), Vendor: string(e.Vendor), Hardware: e.Hardware}
		if e.OK {
			err, f.Detail = nil, "in software"
			if e.Hardware {
				f.Detail = "in hardware (" + f.Vendor + ")"
			}
		}
		found = append(found, f)
	}
	return append(found, of("encoder", "of any codec", "at least one works", true, err))
}

// reach looks for NATS and TURN, and tells whether a stack runs.
func reach(ctx context.Context, cmd *cli.Command) (found []Finding, running bool, err error) {
	if url := cmd.String("nats"); url != "" {
		return []Finding{reachNATS(ctx, url, cmd.String("creds"))}, false, nil
	}
	dir, err := connect.DataDir(cmd)
	if err != nil {
		return nil, false, err
	}
	e, err := connect.ReadEndpoints(dir)
	if errors.Is(err, connect.ErrNoStack) {
		none := fmt.Errorf("not looked at: %w", err)
		return []Finding{of("nats", "server", "", false, none), of("turn", "server", "", false, none)}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	url, creds, err := connect.Resolve(cmd)
	if err != nil {
		return nil, true, err
	}
	found = append(found, reachNATS(ctx, url, creds))
	if e.TURN == "" {
		return append(found, of("turn", "server", "", false, errors.New("the stack has none of its own"))), true, nil
	}
	return append(found, reachTURN(ctx, e.TURN)), true, nil
}
