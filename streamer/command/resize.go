package command

import (
	"context"
	"log/slog"

	"streamstack/events"
	"streamstack/streamer/display"
)

// positions is where input goes to.
type positions interface {
	Resize(ctx context.Context, width, height int) error
}

// resize gives the display and the input another size, even as the encoders need it. It implements streamer.Config.Resize.
//
// Once the display has the size there is no error: a stream of the old one could not be captured any more. The input is told by the X
// server, too; here it is waited for, so that the next client finds nothing held down.
func resize(ctx context.Context, name string, input positions, s events.Screen, log *slog.Logger) (events.Screen, error) {
	var err error
	s.Width, s.Height, err = display.Resize(ctx, name, s.Width+s.Width%2, s.Height+s.Height%2, s.FPS)
	if err != nil {
		return s, err //nolint:wrapcheck // it says what and where
	}
	if err := input.Resize(ctx, s.Width, s.Height); err != nil {
		log.Warn("the display has another size, and the input does not say that it has let everything go", "err", err)
	}
	return s, nil
}
