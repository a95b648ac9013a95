package client

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
)

// AgentCommands are the commands `agent ls`, `show` and `drain` (cli.md), which stand beside the agent itself.
func AgentCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "ls", Usage: "list the agents", OnUsageError: connect.OnUsageError,
			Flags: append([]cli.Flag{
				&cli.BoolFlag{Name: "all", Usage: "those that have said good-bye too", Sources: connect.Env("all")},
			}, gatewayFlags()...),
			Action: ofAll(listAgents),
		},
		{
			Name: "show", Usage: "show one agent", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: gatewayFlags(), Action: ofAgent(func(ctx context.Context, _ *cli.Command, c *Client, id events.AgentID) (Agent, error) {
				return c.Agent(ctx, id)
			}),
		},
		{
			Name: "drain", Usage: "have an agent take no more work; its sessions go on", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
			Flags: append([]cli.Flag{
				&cli.IntFlag{Name: "deadline", Usage: "end the sessions that are left after `MIN` minutes", DefaultText: "never", Sources: connect.Env("deadline")},
				&cli.BoolFlag{Name: "undo", Usage: "have it take work again", Sources: connect.Env("undo")},
			}, gatewayFlags()...),
			Action: ofAgent(drainAgent),
		},
	}
}

func drainAgent(ctx context.Context, cmd *cli.Command, c *Client, id events.AgentID) (Agent, error) {
	switch {
	case cmd.Bool("undo") && cmd.IsSet("deadline"):
		return Agent{}, connect.Usagef("--undo takes no --deadline")
	case cmd.Bool("undo"):
		return c.Resume(ctx, id)
	case !cmd.IsSet("deadline"):
		return c.Drain(ctx, id, nil)
	}
	minutes := cmd.Int("deadline")
	if minutes < 0 {
		return Agent{}, connect.Usagef("--deadline %d: it must be a number of minutes, 0 for at once", minutes)
	}
	return c.Drain(ctx, id, &minutes)
}

func listAgents(ctx context.Context, cmd *cli.Command, c *Client) error {
	list, err := c.Agents(ctx, cmd.Bool("all"))
	if err != nil {
		return err
	}
	columns := []string{"ID", "REGION", "STATUS", "SESSIONS", "LOAD", "DRIVER", "APPLICATIONS", "GPUS", "VERSION"}
	return printList(cmd, list, columns, func(a Agent) []string {
		return []string{string(a.ID), string(a.Region), a.Status, a.sessions(), a.load(), a.Driver, a.applications(), a.gpus(), a.Version}
	})
}

// ofAgent makes the action of a command on one agent, ID, which prints what it is then.
func ofAgent(do func(ctx context.Context, cmd *cli.Command, c *Client, id events.AgentID) (Agent, error)) cli.ActionFunc {
	return ofOne(func(ctx context.Context, cmd *cli.Command, c *Client, id events.AgentID) error {
		a, err := do(ctx, cmd, c, id)
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return printJSON(connect.Out(cmd), []Agent{a})
		}
		return printTable(connect.Out(cmd), [][]string{
			{"id", string(a.ID)}, {"region", string(a.Region)}, {"status", a.Status}, {"draining", a.drain()}, {"sessions", a.sessions()}, {"load", a.load()}, {"warm", a.warm()},
			{"driver", a.Driver}, {"applications", a.applications()}, {"gpus", a.gpus()}, {"version", a.Version}, {"since", a.Since.Format(time.RFC3339)},
		})
	})
}

// sessions are those that it has, of those that it can have.
func (a Agent) sessions() string { return fmt.Sprintf("%d/%d", a.Sessions, a.Slots) }

func (a Agent) load() string {
	if a.Load == nil {
		return ""
	}
	return strconv.FormatFloat(*a.Load, 'f', 2, 64)
}

func (a Agent) warm() string {
	if a.Warm == nil {
		return "0"
	}
	return strconv.Itoa(*a.Warm)
}

func (a Agent) applications() string {
	var names []string
	for _, x := range a.Applications {
		names = append(names, x.Name)
	}
	return strings.Join(names, ",")
}

func (a Agent) gpus() string {
	var vendors []string
	for _, g := range a.GPUs {
		vendors = append(vendors, g.Vendor)
	}
	slices.Sort(vendors)
	return strings.Join(vendors, ",")
}

func (a Agent) drain() string {
	switch {
	case a.Drain == nil:
		return "no"
	case a.Drain.Until == nil:
		return "by " + a.Drain.By
	}
	return "by " + a.Drain.By + " until " + a.Drain.Until.Format(time.RFC3339)
}
