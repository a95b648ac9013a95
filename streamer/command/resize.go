package command

import (
	"context"

	"streamstack/events"
	"streamstack/streamer/display"
)

// positions is where input goes to.
type positions interface {
	Resize(ctx context.Context, width, height int) error
}

// resize gives the display and the input another size, even as the encoders need it. It implements streamer.Config.Resize.
func resize(ctx context.Context, name string, input positions, s events.Screen) (events.Screen, error) {
	var err error
	s.Width, s.Height, err = display.Resize(ctx, name, s.Width+s.Width%2, s.Height+s.Height%2, s.FPS)
	if err != nil {
		return s, err //nolint:wrapcheck // it says what and where
	}
	return s, input.Resize(ctx, s.Width, s.Height) //nolint:wrapcheck // likewise
}
