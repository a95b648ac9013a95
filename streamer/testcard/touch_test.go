package testcard

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"testing"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/inputtest"
)

// TestTouchTextAndWheel: the card shows what the core protocol has not.
func TestTouchTextAndWheel(t *testing.T) {
	_, v, server := startCard(t, 1280, 720, "--fps 30")
	card := Layout(1280, 720)
	touch, err := inputtest.Open(t.Context(), filepath.Join(server.Folder, "touch"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = touch.Close() })
	mouse, err := inputtest.Open(t.Context(), filepath.Join(server.Folder, "mouse"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = mouse.Close() })
	shows := func(at image.Point, want color.RGBA, what string) {
		t.Helper()
		v.await(func(picture *image.RGBA) string {
			if got := picture.RGBAAt(at.X, at.Y); got != want {
				return fmt.Sprintf("%s: %v at %v, not %v", what, got, at, want)
			}
			return ""
		})
	}
	middle := func(r image.Rectangle) image.Point { return r.Min.Add(r.Max).Div(2) }
	one, two := middle(card.Bars[2].Rect), middle(card.Bars[5].Rect)
	for id, at := range []image.Point{one, two} {
		require.NoError(t, touch.TouchBegin(uint32(id), (float64(at.X)+0.5)/1280, (float64(at.Y)+0.5)/720))
	}
	shows(one.Add(image.Pt(15, 15)), white, "the first finger")
	shows(two.Add(image.Pt(15, 15)), white, "the second finger")
	require.NoError(t, touch.TouchEnd(0))
	shows(one.Add(image.Pt(15, 15)), card.Bars[2].Colour, "the first finger lifted")
	require.NoError(t, touch.TouchEnd(1))
	shows(two.Add(image.Pt(15, 15)), card.Bars[5].Colour, "the second finger lifted")

	shows(middle(card.TextPatch), Untouched, "no text")
	v.fake(xproto.KeyPress, 24, 0, 0)
	v.fake(xproto.KeyRelease, 24, 0, 0)
	shows(middle(card.TextPatch), TextColour('q'), "text")
	shows(middle(card.ScrollPatch), Untouched, "no scrolling")
	require.NoError(t, mouse.Scroll(0, 30))
	shows(middle(card.ScrollPatch), ScrollColour(30), "a quarter of a notch")
	require.NoError(t, mouse.Scroll(0, -120))
	shows(middle(card.ScrollPatch), ScrollColour(-90), "and a whole one back")
}
