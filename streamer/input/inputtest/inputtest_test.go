package inputtest_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/inputtest"
	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

func open(t *testing.T, server *xorgtest.Server, name string) *inputtest.Device {
	t.Helper()
	d, err := inputtest.Open(t.Context(), filepath.Join(server.Folder, name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestTouch(t *testing.T) {
	server := xorgtest.Start(t, 640, 480)
	w, touch := xorgtest.Watch(t, server.Display), open(t, server, "touch")
	require.NoError(t, touch.TouchBegin(0, 100.5/640, 50.5/480))
	require.NoError(t, touch.TouchBegin(7, 639.5/640, 479.5/480))
	w.Expect(t, "@100,50", "begin 100,50", "begin 639,479") // the pointer follows the first finger
	require.NoError(t, touch.TouchUpdate(0, 110.5/640, 60.5/480))
	require.NoError(t, touch.TouchEnd(7))
	w.Expect(t, "move 110,60", "end")
	require.NoError(t, touch.TouchEnd(0))
	w.Expect(t, "end")
}

func TestMouse(t *testing.T) {
	server := xorgtest.Start(t, 640, 480)
	w, mouse := xorgtest.Watch(t, server.Display), open(t, server, "mouse")
	require.NoError(t, mouse.MoveTo(100, 50))
	w.Expect(t, "@100,50")
	require.NoError(t, mouse.MoveBy(-30, 200))
	w.Expect(t, "@70,250")
	require.NoError(t, mouse.Button(9, true))
	require.NoError(t, mouse.Button(9, false))
	w.Expect(t, "+b9", "-b9")
	require.NoError(t, mouse.Scroll(0, 15))
	require.NoError(t, mouse.Scroll(-30, 0))
	require.NoError(t, mouse.Scroll(0, 0))
	w.Expect(t, "@70,250 scroll3+15", "@70,250 scroll2-30")
	require.NoError(t, mouse.Scroll(0, 105))
	w.Expect(t, "@70,250 scroll3+105", "+~b5", "-~b5")
}

// TestServerGoes: its end is an error, at once.
func TestServerGoes(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	mouse := open(t, server, "mouse")
	require.NoError(t, server.Process.Kill())
	require.Eventually(t, func() bool { return mouse.MoveTo(1, 1) != nil }, 20*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, mouse.MoveTo(2, 2), xdisplay.ErrGone)
	_, err := inputtest.Open(t.Context(), filepath.Join(server.Folder, "none"))
	require.ErrorContains(t, err, "no such file")
}
