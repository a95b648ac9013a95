package command

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

// stuck is an input that does not answer.
type stuck struct{}

func (stuck) Resize(context.Context, int, int) error { return errors.New("the queue is full") }

// The display's size is what counts: were the old one reported, the next stream would be captured at it, and fail.
func TestResizeWhileTheInputIsStuck(t *testing.T) {
	server, output := xorgtest.Start(t, 640, 480), &eventstest.Output{}
	got, err := resize(t.Context(), server.Display, stuck{}, events.Screen{Width: 801, Height: 599, FPS: 30}, slog.New(slog.NewTextHandler(output, nil)))
	require.NoError(t, err)
	require.Equal(t, events.Screen{Width: 802, Height: 600, FPS: 30}, got)
	require.Contains(t, output.String(), "the queue is full")
	_, err = resize(t.Context(), server.Display, stuck{}, events.Screen{Width: 1 << 20, Height: 600, FPS: 30}, slog.New(slog.DiscardHandler))
	require.Error(t, err, "a size that cannot be had")
}
