package testcard

import (
	"fmt"
	"image"
	"testing"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
)

// setMode gives the first output a mode of its own and makes the screen as large, as an agent does for a client with another size.
func (v *viewer) setMode(width, height uint16) {
	t, c := v.t, v.conn.Conn
	t.Helper()
	require.NoError(t, v.conn.Use(xdisplay.RandR))
	_, err := randr.QueryVersion(c, 1, 4).Reply()
	require.NoError(t, err)
	resources, err := randr.GetScreenResources(c, v.root).Reply()
	require.NoError(t, err)
	output := resources.Outputs[0]
	name := fmt.Sprintf("%dx%d-test", width, height)
	mode, err := randr.CreateMode(c, v.root, randr.ModeInfo{
		Width: width, Height: height, DotClock: 60e6, HsyncStart: width + 8, HsyncEnd: width + 16, Htotal: width + 32,
		VsyncStart: height + 3, VsyncEnd: height + 6, Vtotal: height + 9, NameLen: uint16(len(name)),
	}, name).Reply()
	require.NoError(t, err)
	require.NoError(t, randr.AddOutputModeChecked(c, output, mode.Mode).Check())
	crtc := resources.Crtcs[0]
	_, err = randr.SetCrtcConfig(c, crtc, xproto.TimeCurrentTime, resources.ConfigTimestamp, 0, 0, 0, randr.RotationRotate0, nil).Reply()
	require.NoError(t, err)
	require.NoError(t, randr.SetScreenSizeChecked(c, v.root, width, height, 300, 200).Check())
	reply, err := randr.SetCrtcConfig(c, crtc, xproto.TimeCurrentTime, resources.ConfigTimestamp, 0, 0, mode.Mode, randr.RotationRotate0, []randr.Output{output}).Reply()
	require.NoError(t, err)
	require.Equal(t, byte(randr.SetConfigSuccess), reply.Status)
}

func TestFollowsTheScreensSize(t *testing.T) {
	_, v, _ := startCard(t, 640, 480, "--fps 30")
	for _, size := range []image.Point{{X: 1082, Y: 1440}, {X: 800, Y: 600}} {
		v.setMode(uint16(size.X), uint16(size.Y))
		card := Layout(size.X, size.Y)
		picture := v.await(func(picture *image.RGBA) string {
			if picture.Bounds().Max != size {
				return fmt.Sprintf("the screen is %v, not %v", picture.Bounds().Max, size)
			}
			_, missing := frameOf(picture)
			return missing
		})
		for _, bar := range append(card.Bars, card.Ramp...) {
			assert.Equal(t, bar.Colour, centre(picture, bar.Rect), "%s at %v", bar.Name, bar.Rect)
		}
	}
}
