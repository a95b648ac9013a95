package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/token"
)

// secretFiles are the gateways' own secrets, by the name that people give them.
var secretFiles = map[string]struct{ file, next string }{
	"tokens":   {token.File, "tokens of accounts, sockets and shares that the old key signed are good until the next rotation: give accounts new ones before (`account create NAME --rotate`)"},
	"turn":     {turnKeyFile, "TURN credentials that were given out before are good until they expire, within the hour: rotate again no sooner"},
	"webhooks": {webhookKeyFile, "deliveries bear both signatures until the next rotation: give each receiver its new secret before (`webhook secret ID`)"},
}

// KeysCommand is `streamstack keys`. NATS's keys are those of `credentials rotate`.
func KeysCommand() *cli.Command {
	names := slices.Sorted(maps.Keys(secretFiles))
	return connect.Group("keys", "the gateway's own keys",
		&cli.Command{
			Name: "rotate", Usage: "make a new key beside the old one, while everything runs: " + strings.Join(names, ", "), ArgsUsage: "NAME", OnUsageError: connect.OnUsageError,
			Description: "The new key counts at once, in every gateway that runs on these files; the one before stays good until the next rotation.",
			Flags:       []cli.Flag{connect.DataFlag()},
			Action: func(_ context.Context, cmd *cli.Command) error {
				name, err := connect.OneArg(cmd, "NAME")
				if err != nil {
					return err
				}
				which, ok := secretFiles[name]
				if !ok {
					return connect.Usagef("%s: NAME is one of %s, not %q", cmd.FullName(), strings.Join(names, ", "), name)
				}
				dir, err := connect.DataDir(cmd)
				if err != nil {
					return err
				}
				path := filepath.Join(dir, Secrets, which.file)
				if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("keys: there is no %s yet: a gateway makes it when it starts (name its folder with --data)", path)
				}
				if _, err := keyfile.Rotate(path); err != nil {
					return err
				}
				_, err = fmt.Fprintf(connect.Err(cmd), "%s: a new key is in use; %s\n", name, which.next)
				return err
			},
		},
	)
}
