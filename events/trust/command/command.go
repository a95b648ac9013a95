// Package command is `streamstack credentials`: NATS credentials for every role, and what a nats-server of its own takes
// to know them.
package command

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// secretsIn is the folder of keys in a data folder.
func secretsIn(data string) string { return filepath.Join(data, "secrets") }

// personLife is how long credentials are valid that people get, when nothing else is said; programs' are for ever, for
// an end would stop them at a moment that nobody chose.
const personLife = 90 * 24 * time.Hour

// Command is `streamstack credentials`.
func Command() *cli.Command {
	return connect.Group("credentials", "NATS credentials for a role, on standard output",
		role(trust.Analytics, "read-only: lifecycle, quality and agent events, through pull consumers named an-…", personLife,
			&cli.BoolFlag{Name: "with-sdp", Usage: "session descriptions, candidates and extra data as well, through consumers named sdp-…", Sources: connect.Env("with-sdp")}),
		role(trust.Operator, "reads everything, replays into sandboxes", personLife),
		role(trust.Gateway, "for `streamstack gateway --creds`", 0),
		role(trust.Agent, "for `streamstack agent --creds`; one file for each agent", 0, regionFlag(),
			&cli.StringFlag{Name: "name", Usage: "the agent's `NAME`; default a new one", Sources: connect.Env("name")}),
		role(trust.Streamer, "for a streamer that is started by hand", 0, regionFlag(),
			&cli.StringFlag{Name: "session", Usage: "the session's `ID`", Required: true, Sources: connect.Env("session")}),
		serverConfig(),
		rotate(),
	)
}

func regionFlag() cli.Flag {
	return &cli.StringFlag{Name: "region", Usage: "the region, `NAME`", Required: true, Sources: connect.Env("region")}
}

// serverFlag is where new keys are made known.
func serverFlag() cli.Flag {
	return &cli.StringFlag{Name: "nats", Usage: "the `URL` of a NATS server that shall learn of new keys; default the stack that runs on --data", Sources: connect.Env("nats")}
}

// role is the command that prints credentials of one role.
func role(r trust.Role, usage string, life time.Duration, flags ...cli.Flag) *cli.Command {
	text := "for ever"
	if life > 0 {
		text = life.String()
	}
	return &cli.Command{
		Name: string(r), Usage: usage, OnUsageError: connect.OnUsageError,
		Flags: append(flags, connect.DataFlag(), serverFlag(),
			&cli.DurationFlag{Name: "expiry", Usage: "how long they are valid, `DURATION`; 0 for ever", Value: life, DefaultText: text, Sources: connect.Env("expiry")}),
		Action: func(ctx context.Context, cmd *cli.Command) error { return run(ctx, cmd, r) },
	}
}

func run(ctx context.Context, cmd *cli.Command, r trust.Role) error {
	keys, dir, err := open(cmd)
	if err != nil {
		return err
	}
	i, err := identity(cmd, r)
	if err != nil {
		return err
	}
	life := cmd.Duration("expiry")
	if life < 0 || life > 0 && life < time.Second {
		return connect.Usagef("%s: --expiry takes a duration from 1s up, such as 720h, not %s", cmd.FullName(), life)
	}
	if i.Region != "" {
		added, err := keys.AddRegion(i.Region)
		if err != nil {
			return err
		}
		if added {
			if err := tell(ctx, cmd, keys, dir); err != nil {
				return err
			}
		}
	}
	c, err := keys.Credentials(i, life)
	if err != nil {
		return err
	}
	text, err := c.Text()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(connect.Out(cmd), text); err != nil {
		return fmt.Errorf("credentials: print: %w", err)
	}
	return nil
}

// identity reads who the credentials are for.
func identity(cmd *cli.Command, r trust.Role) (trust.Identity, error) {
	i := trust.Identity{Role: r}
	if r == trust.Analytics && cmd.Bool("with-sdp") {
		i.Role = trust.AnalyticsSDP
	}
	parts := map[string]string{}
	switch r {
	case trust.Agent:
		i.Region, i.Agent = events.Region(cmd.String("region")), events.AgentID(cmd.String("name"))
		if i.Agent == "" {
			i.Agent = events.AgentID("agent-" + uuid.NewString()[:8])
		}
		parts["region"], parts["name"] = string(i.Region), string(i.Agent)
	case trust.Streamer:
		i.Region, i.Session = events.Region(cmd.String("region")), events.SessionID(cmd.String("session"))
		parts["region"], parts["session"] = string(i.Region), string(i.Session)
	}
	for flag, value := range parts {
		if !events.ValidToken(value) {
			return i, connect.Usagef("%s: --%s takes 1 to 63 of a-z, 0-9 and -, not %q", cmd.FullName(), flag, value)
		}
	}
	return i, nil
}

// open opens the keys on --data, or makes them.
func open(cmd *cli.Command) (*trust.Authority, string, error) {
	if err := connect.NoArgs(cmd); err != nil {
		return nil, "", err
	}
	dir, err := connect.DataDir(cmd)
	if err != nil {
		return nil, "", err
	}
	keys, err := trust.Open(secretsIn(dir))
	return keys, dir, err
}
