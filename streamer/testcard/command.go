package testcard

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"
)

// Command gives the sub-command `testcard`. It ends without error when its context does: the caller cancels that on SIGTERM and SIGINT.
func Command() *cli.Command {
	return &cli.Command{
		Name:  "testcard",
		Usage: "show the moving test card on an X display (the application that sessions run to check a set-up)",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "display", Usage: "the X display, such as :5", Sources: cli.EnvVars("STREAMSTACK_DISPLAY", "DISPLAY")},
			&cli.IntFlag{Name: "fps", Value: 60, Usage: "frames a second", Sources: cli.EnvVars("STREAMSTACK_FPS")},
			&cli.BoolFlag{Name: "audio", Value: true, Usage: "play a 440 Hz tone to the server in PULSE_SERVER, if there is one", Sources: cli.EnvVars("STREAMSTACK_AUDIO")},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			config := Config{Display: cmd.String("display"), FPS: cmd.Int("fps")}
			if cmd.Bool("audio") {
				config.PulseServer = os.Getenv("PULSE_SERVER")
			}
			var out io.Writer = os.Stderr
			if cmd.Root().ErrWriter != nil {
				out = cmd.Root().ErrWriter
			}
			return Run(ctx, config, slog.New(slog.NewTextHandler(out, nil)))
		},
	}
}
