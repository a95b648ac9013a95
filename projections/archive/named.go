package archive

import (
	"context"
	"log/slog"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// OpenNamed opens what a command's flags name: the log of [connect.NATSFlags] with its archive or, with --stream, a sandbox there.
// close it when nothing is read any more.
func OpenNamed(ctx context.Context, cmd *cli.Command, logger *slog.Logger) (s Source, closeIt func(), err error) {
	log, err := connect.Open(ctx, cmd, logger)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says what to do
	}
	s, done, err := Open(ctx, log, cmd.String("stream"))
	if err != nil {
		log.Conn().Close()
		return nil, nil, err
	}
	return s, func() {
		done()
		log.Conn().Close()
	}, nil
}
