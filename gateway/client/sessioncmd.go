package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
)

// Figures of `session create --wait`.
const (
	// waitTimeout is how long a session may take to become active: an agent has a minute to launch it.
	waitTimeout = 90 * time.Second
	// pollInterval is how often the session is asked for; its launch takes about a second.
	pollInterval = 100 * time.Millisecond
)

// SessionCommand is the command `session` (cli.md).
func SessionCommand() *cli.Command {
	return connect.Group("session", "sessions, by the REST API",
		&cli.Command{
			Name: "create", Usage: "start an application and print the session's id", ArgsUsage: "APP", OnUsageError: connect.OnUsageError,
			Flags: append(createFlags(), gatewayFlags()...), Action: createSession,
		},
		&cli.Command{
			Name: "ls", Usage: "list the sessions", OnUsageError: connect.OnUsageError,
			Flags: append([]cli.Flag{
				&cli.StringFlag{Name: "status", Usage: "only those in this `STATUS`", Sources: connect.Env("status")},
			}, gatewayFlags()...),
			Action: ofAll(listSessions),
		},
		&cli.Command{
			Name: "show", Usage: "show one session", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: gatewayFlags(), Action: ofOne(showSession),
		},
		viewersCommand(), watchCommand(),
		&cli.Command{
			Name: "delete", Usage: "end a session and wait for its end", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: gatewayFlags(), Action: ofOne(deleteSession),
		},
	)
}

// gatewayFlags say which gateway, and how records are printed.
func gatewayFlags() []cli.Flag {
	return []cli.Flag{
		connect.JSONFlag(),
		&cli.StringFlag{Name: "gateway", Usage: "the `URL` of the gateway, in place of --data", Sources: connect.Env("gateway")},
		&cli.StringFlag{Name: "token", Usage: "the API `TOKEN` (rather in the environment: a command line is seen by all)", Sources: connect.Env("token")},
		&cli.StringFlag{Name: "certificate", Usage: "a `FILE` with the certificate that the gateway at --gateway must show; default one that the system trusts", TakesFile: true, Sources: connect.Env("certificate")},
		connect.DataFlag(),
	}
}

func createFlags() []cli.Flag {
	number := func(name, usage, otherwise string) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, DefaultText: otherwise, Sources: connect.Env(name)}
	}
	const own = "the application's own"
	return []cli.Flag{
		number("width", "width of the screen in `PIXELS`", own),
		number("height", "height of the screen in `PIXELS`", own),
		number("fps", "pictures a second: `N`", own),
		number("version", "the application's version `N`", "the latest"),
		number("idle", "end the session after `MIN` minutes without a client, 0 for never", "the gateway's"),
		&cli.StringFlag{Name: "region", Usage: "the `REGION` (default: the gateway chooses)", Sources: connect.Env("region")},
		&cli.BoolFlag{Name: "joinable", Usage: "keep the session when its client leaves", Sources: connect.Env("joinable")},
		&cli.StringFlag{Name: "extra-data", Usage: "`JSON` for the application", Sources: connect.Env("extra-data")},
		&cli.BoolFlag{Name: "wait", Usage: "return when the session is active", Sources: connect.Env("wait")},
	}
}

// gateway finds the gateway and the token: by --gateway and --token, else as the stack on --data wrote them.
func gateway(cmd *cli.Command) (*Client, error) {
	base, token, certificate := cmd.String("gateway"), cmd.String("token"), cmd.String("certificate")
	if base != "" && token == "" {
		return nil, connect.Usagef("%s: --gateway needs a token: set STREAMSTACK_TOKEN", cmd.FullName())
	}
	if base == "" {
		dir, err := connect.DataDir(cmd)
		if err != nil {
			return nil, err
		}
		e, err := connect.ReadEndpoints(dir)
		if err != nil {
			return nil, err
		}
		base = e.Gateway
		if token == "" {
			token = e.Token
		}
		if certificate == "" {
			certificate = e.Certificate
		}
	}
	c, err := New(base, token)
	if err != nil || certificate == "" {
		return c, err
	}
	return c, c.Trust(certificate)
}

func createSession(ctx context.Context, cmd *cli.Command) error {
	app, err := connect.OneArg(cmd, "APP")
	if err != nil {
		return err
	}
	request, err := createRequest(cmd, app)
	if err != nil {
		return err
	}
	c, err := gateway(cmd)
	if err != nil {
		return err
	}
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	grant, err := c.Create(calling, request)
	if err != nil {
		return err
	}
	// Printed before waiting: a session that fails to start has a history to read.
	if cmd.Bool("json") {
		err = printJSON(connect.Out(cmd), []Grant{grant})
	} else {
		err = printLine(connect.Out(cmd), string(grant.ID))
		if err == nil {
			err = printLine(connect.Err(cmd), "websocket for one client: "+grant.URL)
		}
	}
	if err != nil || !cmd.Bool("wait") {
		return err
	}
	return waitActive(ctx, c, grant.ID)
}

// createRequest makes the request of the flags. What they leave out is left to the gateway.
func createRequest(cmd *cli.Command, app string) (CreateRequest, error) {
	r := CreateRequest{App: app, Region: cmd.String("region"), Joinable: cmd.Bool("joinable"), AppVersion: cmd.Int("version")}
	for _, name := range []string{"width", "height", "fps"} {
		if cmd.IsSet(name) && cmd.Int(name) < 1 {
			return r, connect.Usagef("--%s %d: it must be above 0", name, cmd.Int(name))
		}
	}
	if s := (Screen{Width: cmd.Int("width"), Height: cmd.Int("height"), FPS: cmd.Int("fps")}); s != (Screen{}) {
		r.Screen = &s
	}
	if cmd.IsSet("idle") {
		idle := cmd.Int("idle")
		if idle < 0 {
			return r, connect.Usagef("--idle %d: it must be a number of minutes, or 0 for never", idle)
		}
		r.IdleTimeMin = &idle
	}
	if text := cmd.String("extra-data"); text != "" {
		if !json.Valid([]byte(text)) {
			return r, connect.Usagef(`--extra-data is not JSON: a text needs its own quotes, '"text"'`)
		}
		r.ExtraData = events.Raw(text)
	}
	return r, nil
}

// waitActive returns when the session is active, and fails when it ends before.
func waitActive(ctx context.Context, c *Client, id events.SessionID) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		s, err := c.Show(ctx, id)
		switch {
		case IsStatus(err, http.StatusNotFound):
			return fmt.Errorf("session %s ended before it was active: `streamstack history %s` tells why", id, id)
		case err != nil:
			return err
		case s.Status == "active":
			return nil
		case s.Status != "created":
			return fmt.Errorf("session %s is in status %s: %s", id, s.Status, clean(s.StatusMessage))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("session %s is not active yet: `streamstack history %s` tells how far it came: %w", id, id, ctx.Err())
		case <-poll.C:
		}
	}
}

func listSessions(ctx context.Context, cmd *cli.Command, c *Client) error {
	list, _, err := c.List(ctx, ListOptions{Status: cmd.String("status")})
	if err != nil {
		return err
	}
	return printList(cmd, list, []string{"ID", "APPLICATION", "REGION", "STATUS", "MESSAGE"}, func(s Session) []string {
		return []string{string(s.ID), s.App, string(s.Region), s.Status, s.StatusMessage}
	})
}

// ofAll makes the action of a command that takes no arguments: do gets the gateway, and has callTimeout.
func ofAll(do func(ctx context.Context, cmd *cli.Command, c *Client) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		if err := connect.NoArgs(cmd); err != nil {
			return err
		}
		return withGateway(ctx, cmd, do)
	}
}

// ofOne makes the action of a command on one thing, ID: do gets the gateway, and has callTimeout.
func ofOne[T ~string](do func(ctx context.Context, cmd *cli.Command, c *Client, id T) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		id, err := connect.OneArg(cmd, "ID")
		if err != nil {
			return err
		}
		return withGateway(ctx, cmd, func(ctx context.Context, cmd *cli.Command, c *Client) error { return do(ctx, cmd, c, T(id)) })
	}
}

// withGateway gives do the gateway, and callTimeout.
func withGateway(ctx context.Context, cmd *cli.Command, do func(ctx context.Context, cmd *cli.Command, c *Client) error) error {
	c, err := gateway(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return do(ctx, cmd, c)
}

func showSession(ctx context.Context, cmd *cli.Command, c *Client, id events.SessionID) error {
	s, err := c.Show(ctx, id)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return printJSON(connect.Out(cmd), []Session{s})
	}
	return printTable(connect.Out(cmd), [][]string{
		{"id", string(s.ID)}, {"application", s.App}, {"region", string(s.Region)}, {"joinable", strconv.FormatBool(s.Joinable)},
		{"status", s.Status}, {"message", s.StatusMessage}, {"viewers", strconv.Itoa(s.Viewers)}, {"instance", s.ContainerID}, {"agent", s.ClusterID},
	})
}

func deleteSession(ctx context.Context, cmd *cli.Command, c *Client, id events.SessionID) error {
	if err := c.Delete(ctx, id, true); err != nil {
		return err
	}
	return printLine(connect.Err(cmd), "session "+string(id)+" has ended")
}
