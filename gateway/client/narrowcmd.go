package client

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway/token"
)

// maxTokenInput is far more than a token takes, in bytes.
const maxTokenInput = 64 << 10

// narrowCommand is `account narrow`. The token comes on standard input: a command line is seen by all.
func narrowCommand() *cli.Command {
	return &cli.Command{
		Name: "narrow", Usage: "make of the token on standard input one that may do less, without asking a gateway", OnUsageError: connect.OnUsageError,
		Description: "The new token ends when the old one does, or its account. Nobody can make it wide again.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "scope", Usage: "what of the token's scopes is left: `SCOPES` of read, create, admin, with commas", Sources: connect.Env("scope"), DefaultText: "as they are"},
			&cli.DurationFlag{Name: "expiry", Usage: "how long it is good for at most: `DURATION`, such as 1h", Sources: connect.Env("expiry"), DefaultText: "as long as the old one"},
		},
		Action: narrow,
	}
}

func narrow(_ context.Context, cmd *cli.Command) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	var scopes token.Scopes
	if s := cmd.String("scope"); s != "" {
		var err error
		if scopes, err = token.ParseScopes(s); err != nil {
			return connect.Usagef("--scope: %s", err)
		}
	}
	var expiry time.Time
	if cmd.IsSet("expiry") {
		life := cmd.Duration("expiry")
		if life < time.Second {
			return connect.Usagef("--expiry %s: it must be a second at least", life)
		}
		expiry = time.Now().Add(life)
	}
	in := cmd.Root().Reader
	if in == nil {
		in = os.Stdin
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTokenInput))
	if err != nil {
		return fmt.Errorf("account narrow: standard input: %w", err)
	}
	made, err := token.Narrow(strings.TrimSpace(string(text)), scopes, expiry)
	if err != nil {
		return fmt.Errorf("account narrow: %w", err)
	}
	return printLine(connect.Out(cmd), made)
}
