package client

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// WebhookCommand is the command `webhook`.
func WebhookCommand() *cli.Command {
	return connect.Group("webhook", "addresses that get the events of the stack on this machine",
		&cli.Command{
			Name: "add", Usage: "post events to an address from now on, and print the secret that signs them", ArgsUsage: "URL", OnUsageError: connect.OnUsageError,
			Description: "The webhook's id and its secret are printed once, the secret alone on standard output.",
			Flags: []cli.Flag{
				connect.JSONFlag(),
				&cli.StringSliceFlag{Name: "type", Usage: "only events of this `TYPE`, such as failed, agent.failed or streamstack.session.failed.v1; may be repeated", Sources: connect.Env("type")},
				&cli.StringFlag{Name: "region", Usage: "only events of this `REGION`", Sources: connect.Env("region")},
				connect.DataFlag(),
			},
			Action: addWebhook,
		},
		&cli.Command{
			Name: "ls", Usage: "list the webhooks and how their deliveries are", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.JSONFlag(), connect.DataFlag()}, Action: listWebhooks,
		},
		&cli.Command{
			Name: "show", Usage: "show one webhook", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.JSONFlag(), connect.DataFlag()}, Action: showWebhook,
		},
		&cli.Command{
			Name: "secret", Usage: "print the secret that signs a webhook's deliveries, as it is after `keys rotate webhooks`", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.DataFlag()}, Action: webhookSecret,
		},
		&cli.Command{
			Name: "delete", Usage: "end a webhook; what waits for it is not delivered", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: []cli.Flag{connect.DataFlag()}, Action: deleteWebhook,
		},
	)
}

// withAdmin runs a call of the admin socket within its time.
func withAdmin(ctx context.Context, cmd *cli.Command, call func(context.Context, *Admin) error) error {
	a, err := admin(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx, a)
}

func addWebhook(ctx context.Context, cmd *cli.Command) error {
	url, err := connect.OneArg(cmd, "URL")
	if err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		w, err := a.AddWebhook(ctx, WebhookRequest{URL: url, Types: cmd.StringSlice("type"), Region: cmd.String("region")})
		if err != nil {
			return err
		}
		if w.ID == "" || w.Secret == "" {
			return fmt.Errorf("webhook: %w: no id or no secret in it", errAnswer)
		}
		if cmd.Bool("json") {
			return printJSON(connect.Out(cmd), []Webhook{w})
		}
		if err := printLine(connect.Err(cmd), "webhook "+w.ID+" gets events from now on; they are signed with this secret, which is not shown again:"); err != nil {
			return err
		}
		return printLine(connect.Out(cmd), w.Secret)
	})
}

func listWebhooks(ctx context.Context, cmd *cli.Command) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		list, err := a.Webhooks(ctx)
		if err != nil {
			return err
		}
		return printList(cmd, list, []string{"ID", "URL", "PENDING", "PARKED", "LAST SUCCESS", "LAST ERROR"}, func(w Webhook) []string {
			return []string{w.ID, w.URL, strconv.FormatUint(w.Pending, 10), strconv.Itoa(w.ParkedSessions), orDash(w.LastSuccess), w.problem()}
		})
	})
}

func showWebhook(ctx context.Context, cmd *cli.Command) error {
	id, err := connect.OneArg(cmd, "ID")
	if err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		w, err := a.Webhook(ctx, id)
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return printJSON(connect.Out(cmd), []Webhook{w})
		}
		types, region := strings.Join(w.Types, ", "), w.Region
		if types == "" {
			types = "all"
		}
		if region == "" {
			region = "all"
		}
		return printTable(connect.Out(cmd), [][]string{
			{"id", w.ID}, {"url", w.URL}, {"types", types}, {"region", region}, {"created", w.Created},
			{"pending", strconv.FormatUint(w.Pending, 10) + " events"}, {"parked", strconv.Itoa(w.ParkedSessions) + " sessions"},
			{"failing", strconv.Itoa(w.Failing) + " attempts in a row"},
			{"last success", orDash(w.LastSuccess)}, {"last error", w.problem()},
		})
	})
}

// problem is the last error with its time.
func (w Webhook) problem() string {
	if w.LastError == "" {
		return "-"
	}
	return w.LastErrorAt + " " + w.LastError
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func webhookSecret(ctx context.Context, cmd *cli.Command) error {
	id, err := connect.OneArg(cmd, "ID")
	if err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		secret, err := a.WebhookSecret(ctx, id)
		if err != nil {
			return err
		}
		return printLine(connect.Out(cmd), secret)
	})
}

func deleteWebhook(ctx context.Context, cmd *cli.Command) error {
	id, err := connect.OneArg(cmd, "ID")
	if err != nil {
		return err
	}
	return withAdmin(ctx, cmd, func(ctx context.Context, a *Admin) error {
		if err := a.DeleteWebhook(ctx, id); err != nil {
			return err
		}
		return printLine(connect.Err(cmd), "webhook "+id+" is deleted")
	})
}
