package xdisplay_test

import (
	"sync"
	"testing"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

// Many connections of one process use extensions while others get events and errors: what xgb keeps for all of them is not
// written meanwhile (the race detector, or the map itself, would tell).
func TestExtensionsOfManyConnections(t *testing.T) {
	t.Parallel()
	server := xorgtest.Start(t, 320, 240)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			conn, err := xdisplay.Dial(t.Context(), server.Display)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Abort()
			for _, e := range []xdisplay.Extension{xdisplay.RandR, xdisplay.XTest, xdisplay.Damage, xdisplay.XFixes, xdisplay.SHM} {
				if err := conn.Use(e); err != nil {
					t.Error(err)
				}
				if xproto.GetGeometryUnchecked(conn.Conn, 1); xproto.DestroyWindowChecked(conn.Conn, 1).Check() == nil {
					t.Error("a window that is none was destroyed")
				}
			}
			if _, err := randr.QueryVersion(conn.Conn, 1, 4).Reply(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	conn, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	defer conn.Abort()
}

func TestNoSuchExtension(t *testing.T) {
	t.Parallel()
	server := xorgtest.Start(t, 320, 240)
	conn, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	defer conn.Abort()
	require.ErrorIs(t, conn.Use("NO-SUCH"), xdisplay.ErrNoExtension)
}
