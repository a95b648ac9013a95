package display

import (
	"context"
	"image"
	"strings"
	"testing"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

// seen is what a program on the display is told: the size of the root window, of the monitor, and the modes made here.
func seen(t *testing.T, display string) (root, monitor image.Point, modes []string) {
	t.Helper()
	conn, err := xdisplay.Dial(t.Context(), display)
	require.NoError(t, err)
	defer conn.Abort()
	s := &screen{c: conn, root: xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root}
	g, err := xproto.GetGeometry(conn.Conn, xproto.Drawable(s.root)).Reply()
	require.NoError(t, err)
	require.NoError(t, conn.Use(xdisplay.RandR))
	_, err = randr.QueryVersion(conn.Conn, randrMajor, randrMinor).Reply()
	require.NoError(t, err)
	require.NoError(t, s.find())
	crtc, err := randr.GetCrtcInfo(conn.Conn, s.crtc, s.resources.ConfigTimestamp).Reply()
	require.NoError(t, err)
	for _, m := range s.modes() {
		if strings.HasPrefix(m.name, modePrefix) {
			modes = append(modes, m.name)
		}
	}
	return image.Pt(int(g.Width), int(g.Height)), image.Pt(int(crtc.Width), int(crtc.Height)), modes
}

func TestResize(t *testing.T) {
	t.Parallel()
	server := xorgtest.Start(t, 640, 480)
	for _, size := range []image.Point{{X: 1280, Y: 720}, {X: 1082, Y: 1440}, {X: 1082, Y: 1440}, {X: 302, Y: 402}, {X: 640, Y: 480}, {X: 1280, Y: 720}} {
		width, height, err := Resize(t.Context(), server.Display, size.X, size.Y, 60)
		require.NoError(t, err)
		require.Equal(t, size, image.Pt(width, height))
		root, monitor, modes := seen(t, server.Display)
		require.Equal(t, size, root)
		require.Equal(t, size, monitor)
		require.LessOrEqual(t, len(modes), 1, "modes that nothing shows are removed: %v", modes)
	}
}

// What cannot be had is refused, and leaves the screen as it was.
func TestResizeRefused(t *testing.T) {
	t.Parallel()
	server := xorgtest.Start(t, 640, 480)
	for _, size := range []image.Point{{X: 60000, Y: 480}, {X: 640, Y: 0}, {X: -2, Y: 480}} {
		_, _, err := Resize(t.Context(), server.Display, size.X, size.Y, 60)
		require.ErrorIs(t, err, ErrSize)
		root, monitor, _ := seen(t, server.Display)
		require.Equal(t, image.Pt(640, 480), root)
		require.Equal(t, image.Pt(640, 480), monitor)
	}
	require.NoError(t, server.Process.Kill())
	_, _, err := Resize(t.Context(), server.Display, 800, 600, 60)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = Resize(ctx, server.Display, 800, 600, 60)
	require.Error(t, err)
}

// Every size and rate makes a mode that the driver's limits allow, and whose parts are in order.
func TestTimings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width, height, rate := rapid.IntRange(1, 8192).Draw(t, "width"), rapid.IntRange(1, 8192).Draw(t, "height"), rapid.IntRange(-5, 1000).Draw(t, "rate")
		m := timings(width, height, rate)
		require.Equal(t, image.Pt(width, height), image.Pt(int(m.Width), int(m.Height)))
		require.GreaterOrEqual(t, m.DotClock, uint32(minClock))
		require.LessOrEqual(t, m.DotClock, uint32(maxClock))
		require.True(t, m.Width < m.HsyncStart && m.HsyncStart < m.HsyncEnd && m.HsyncEnd < m.Htotal)
		require.True(t, m.Height < m.VsyncStart && m.VsyncStart < m.VsyncEnd && m.VsyncEnd < m.Vtotal)
	})
}
