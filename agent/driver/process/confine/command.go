package confine

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

// Name is the hidden sub-command that [Run]s what follows it.
const Name = "confined"

// Command is `streamstack confined COMMAND…`, which the process driver starts in the namespaces.
func Command() *cli.Command {
	return &cli.Command{
		Name: Name, Usage: "run an application that an agent has put into namespaces of its own", Hidden: true, SkipFlagParsing: true,
		Action: func(_ context.Context, cmd *cli.Command) error {
			status, err := Run(cmd.Args().Slice())
			if err != nil {
				return fmt.Errorf("%s: %w", Name, err)
			}
			if status != 0 {
				return cli.Exit("", status)
			}
			return nil
		},
	}
}
