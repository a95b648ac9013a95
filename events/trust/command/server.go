package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// serverConfig is `streamstack credentials server-config`.
func serverConfig() *cli.Command {
	return &cli.Command{
		Name: "server-config", Usage: "what a nats-server of its own takes to know these credentials; no secret is in it",
		OnUsageError: connect.OnUsageError, Flags: []cli.Flag{connect.DataFlag(),
			&cli.StringFlag{Name: "jwt-dir", Usage: "the `DIR` in which the server keeps accounts", Value: "./jwt", TakesFile: true, Sources: connect.Env("jwt-dir")}},
		Action: func(_ context.Context, cmd *cli.Command) error {
			keys, _, err := open(cmd)
			if err != nil {
				return err
			}
			text, err := keys.ServerConfig(cmd.String("jwt-dir"))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(connect.Out(cmd), text); err != nil {
				return fmt.Errorf("credentials: print: %w", err)
			}
			return nil
		},
	}
}

// rotate is `streamstack credentials rotate ROLE`.
func rotate() *cli.Command {
	return &cli.Command{
		Name: "rotate", Usage: "make a role's signing key anew; what the one before signed is valid until the next rotation",
		ArgsUsage: "ROLE", OnUsageError: connect.OnUsageError,
		Flags: []cli.Flag{connect.DataFlag(), serverFlag(),
			&cli.StringFlag{Name: "region", Usage: "the region of agent and streamer, `NAME`", Sources: connect.Env("region")}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			name, err := connect.OneArg(cmd, "ROLE")
			if err != nil {
				return err
			}
			dir, err := connect.DataDir(cmd)
			if err != nil {
				return err
			}
			keys, err := trust.Open(secretsIn(dir))
			if err != nil {
				return err
			}
			err = keys.Rotate(trust.Role(name), events.Region(cmd.String("region")))
			if errors.Is(err, trust.ErrIdentity) {
				return connect.Usagef("%s: %w", cmd.FullName(), err)
			}
			if err != nil {
				return err
			}
			return tell(ctx, cmd, keys, dir)
		},
	}
}

// tell brings new keys to the servers: those of --nats, else the stack's on --data if one runs.
func tell(ctx context.Context, cmd *cli.Command, keys *trust.Authority, dir string) error {
	url := cmd.String("nats")
	if url == "" {
		e, err := connect.ReadEndpoints(dir)
		if errors.Is(err, connect.ErrNoStack) {
			_, err := fmt.Fprintln(connect.Err(cmd), "credentials: there are new keys, and no server was told: a stack on this folder knows them at its next start;",
				"for a nats-server of its own, run this with --nats URL, or give it `streamstack credentials server-config` before it starts")
			if err != nil {
				return fmt.Errorf("credentials: print: %w", err)
			}
			return nil
		}
		if err != nil {
			return err
		}
		url = e.NATS
	}
	return keys.Push(ctx, url)
}
