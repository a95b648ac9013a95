package xorgtest

import (
	"fmt"
	"testing"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
)

// Resize makes the screen as large as a mode of its own for the first output, through RandR.
func (s *Server) Resize(t *testing.T, width, height uint16) {
	t.Helper()
	conn, err := xdisplay.Dial(t.Context(), s.Display)
	require.NoError(t, err)
	defer conn.Abort()
	c, root := conn.Conn, xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root
	require.NoError(t, conn.Use(xdisplay.RandR))
	_, err = randr.QueryVersion(c, 1, 4).Reply()
	require.NoError(t, err)
	resources, err := randr.GetScreenResources(c, root).Reply()
	require.NoError(t, err)
	name := fmt.Sprintf("%dx%d-test", width, height)
	mode, err := randr.CreateMode(c, root, randr.ModeInfo{
		Width: width, Height: height, DotClock: 60e6, HsyncStart: width + 8, HsyncEnd: width + 16, Htotal: width + 32,
		VsyncStart: height + 3, VsyncEnd: height + 6, Vtotal: height + 9, NameLen: uint16(len(name)),
	}, name).Reply()
	require.NoError(t, err)
	require.NoError(t, randr.AddOutputModeChecked(c, resources.Outputs[0], mode.Mode).Check())
	configure := func(mode randr.Mode, outputs []randr.Output) {
		_, err := randr.SetCrtcConfig(c, resources.Crtcs[0], xproto.TimeCurrentTime, resources.ConfigTimestamp, 0, 0, mode, randr.RotationRotate0, outputs).Reply()
		require.NoError(t, err)
	}
	configure(0, nil)
	require.NoError(t, randr.SetScreenSizeChecked(c, root, width, height, 300, 200).Check())
	configure(mode.Mode, resources.Outputs[:1])
}
