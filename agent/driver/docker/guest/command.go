package guest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// dataFolder is where the docker driver has a file system to write to.
const dataFolder = "/data"

// runtimeFolder is where programs made for the original look for sockets; the docker driver has a file system there, too.
const runtimeFolder = "/run/user/1000"

// Command is `streamstack instance`, which images run. It is hidden: people have no use for it.
func Command() *cli.Command {
	return &cli.Command{
		Name: "instance", Hidden: true, Usage: "run one session in a container, for the agent's docker driver",
		OnUsageError: connect.OnUsageError,
		Flags:        []cli.Flag{&cli.StringFlag{Name: "data", Usage: "a `FOLDER` to write to", Value: dataFolder, TakesFile: true}},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := connect.NoArgs(cmd); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("guest: own executable: %w", err)
			}
			return Main(ctx, Config{Data: cmd.String("data"), Self: self, Streamer: []string{self, "streamer"}, In: os.Stdin, Out: os.Stdout, Logs: os.Stderr, Sockets: filepath.Join(runtimeFolder, "anbox", "sockets")})
		},
	}
}

// Main is [Run], by a child where this is the first process of a container.
func Main(ctx context.Context, c Config) error {
	if os.Getpid() != 1 {
		return Run(ctx, c)
	}
	status, err := asInit(ctx)
	if err == nil && status != 0 {
		err = cli.Exit(fmt.Sprintf("the instance ended with status %d", status), status)
	}
	return err
}
