package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
	"streamstack/gateway/token"
)

// callTimeout bounds a command's call; deleting a session waits for the end of its application within it.
const callTimeout = 30 * time.Second

// AccountCommand is the command `account` (cli.md).
func AccountCommand() *cli.Command {
	return connect.Group("account", "API tokens of the stack on this machine",
		&cli.Command{
			Name: "create", Usage: "make an account and print its token", ArgsUsage: "NAME", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "rotate", Usage: "give an account that exists a new token, which ends its old one", Sources: connect.Env("rotate")},
				&cli.DurationFlag{Name: "expiry", Usage: "how long the token is good for: `DURATION`, such as 720h", Sources: connect.Env("expiry"), DefaultText: "a year"},
				&cli.StringFlag{Name: "scope", Usage: "what the token may do: one or more `SCOPES` of read, create, admin, with commas", Sources: connect.Env("scope"), DefaultText: "everything"},
				connect.DataFlag(),
			},
			Action: createAccount,
		},
		narrowCommand(),
		&cli.Command{
			Name: "ls", Usage: "list the accounts", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.JSONFlag(), connect.DataFlag()}, Action: listAccounts,
		},
		&cli.Command{
			Name: "delete", Usage: "end an account and its token", ArgsUsage: "NAME", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.DataFlag()}, Action: deleteAccount,
		},
	)
}

// admin finds the admin socket by --data.
func admin(cmd *cli.Command) (*Admin, error) {
	dir, err := connect.DataDir(cmd)
	if err != nil {
		return nil, err
	}
	path := AdminSocket(dir)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%s belongs to somebody else: run this as the user who started the stack", dir)
		}
		return nil, fmt.Errorf("%w on %s: start one with `streamstack up --data %s`", connect.ErrNoStack, dir, dir)
	}
	return NewAdmin(path), nil
}

func createAccount(ctx context.Context, cmd *cli.Command) error {
	name, err := connect.OneArg(cmd, "NAME")
	if err != nil {
		return err
	}
	life := cmd.Duration("expiry")
	if cmd.IsSet("expiry") && life <= 0 {
		return connect.Usagef("--expiry %s: it must be above 0", life)
	}
	if s := cmd.String("scope"); s != "" {
		if _, err := token.ParseScopes(s); err != nil {
			return connect.Usagef("--scope: %s", err)
		}
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		acc, err := a.Create(ctx, name, life, cmd.Bool("rotate"), cmd.String("scope"))
		if err != nil {
			return err
		}
		if acc.Token == "" {
			return fmt.Errorf("account %s: %w: no token in it", name, errAnswer)
		}
		return printLine(connect.Out(cmd), acc.Token)
	})
}

func listAccounts(ctx context.Context, cmd *cli.Command) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		list, err := a.List(ctx)
		if err != nil {
			return err
		}
		return printList(cmd, list, []string{"NAME", "SCOPES", "CREATED", "EXPIRES"}, func(x Account) []string {
			expiry := x.Expiry
			if x.Expired {
				expiry += " (expired)"
			}
			return []string{x.Name, cmp.Or(x.Scopes, "-"), x.Created, expiry}
		})
	})
}

func deleteAccount(ctx context.Context, cmd *cli.Command) error {
	name, err := connect.OneArg(cmd, "NAME")
	if err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		if err := a.Delete(ctx, name); err != nil {
			return err
		}
		return printLine(connect.Err(cmd), "account "+name+" is deleted, its token is worthless now")
	})
}
