package grab

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/display"
	"streamstack/streamer/frame"
	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

const width, height = 320, 240

// patience bounds every wait; all of them take milliseconds.
const patience = 20 * time.Second

// painter is a program on the display.
type painter struct {
	t    *testing.T
	conn *xdisplay.Conn
	root xproto.Window
}

func start(t *testing.T) (*xorgtest.Server, *Screen, painter) {
	t.Helper()
	server := xorgtest.Start(t, width, height)
	conn, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	t.Cleanup(conn.Abort)
	p := painter{t, conn, xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root}
	require.NoError(t, conn.Use(xdisplay.XTest))
	p.point(width-1, height-1)
	s, err := Open(t.Context(), server.Display, width, height)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return server, s, p
}

// fill paints a part of the screen in a colour, 0xRRGGBB.
func (p painter) fill(colour uint32, x, y int16, w, h uint16) {
	p.t.Helper()
	require.NoError(p.t, xproto.ChangeWindowAttributesChecked(p.conn.Conn, p.root, xproto.CwBackPixel, []uint32{colour}).Check())
	require.NoError(p.t, xproto.ClearAreaChecked(p.conn.Conn, false, p.root, x, y, w, h).Check())
}

func (p painter) point(x, y int16) {
	p.t.Helper()
	require.NoError(p.t, xtest.FakeInputChecked(p.conn.Conn, xproto.MotionNotify, 0, 0, p.root, x, y, 0).Check())
}

func segment(t *testing.T, s *Screen) *Segment {
	t.Helper()
	g, err := s.NewSegment(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

func at(g *Segment, x, y int) uint32 {
	pixel := g.Data[(y*width+x)*bytesPerPixel:]
	return uint32(pixel[2])<<16 | uint32(pixel[1])<<8 | uint32(pixel[0])
}

func changes(t *testing.T, s *Screen) {
	t.Helper()
	select {
	case <-s.Changed():
	case <-time.After(patience):
		t.Fatal("no change was told")
	}
}

// still reads the screen until nothing more is told, and checks that nothing is.
func still(t *testing.T, s *Screen, g *Segment) {
	t.Helper()
	for quiet := 0; quiet < 5; quiet++ {
		require.NoError(t, s.Grab(t.Context(), g))
		_, err := s.PointerMoved(t.Context()) // a round trip: what was to be told before has been sent
		require.NoError(t, err)
		select {
		case <-s.Changed():
			quiet = 0
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestPicturesAndChanges(t *testing.T) {
	t.Parallel()
	_, s, p := start(t)
	require.True(t, s.Damage())
	for _, shared := range []bool{true, false} {
		s.shared = shared
		g := segment(t, s)
		require.Equal(t, shared, g.id != 0)
		require.Len(t, g.Data, width*height*bytesPerPixel)
		p.fill(0x2060c0, 0, 0, 0, 0)
		changes(t, s)
		require.NoError(t, s.Grab(t.Context(), g))
		require.Equal(t, uint32(0x2060c0), at(g, 10, 10))
		still(t, s, g)

		p.fill(0xc02020, 100, 50, 20, 10)
		changes(t, s)
		require.NoError(t, s.Grab(t.Context(), g))
		require.Equal(t, []uint32{0x2060c0, 0xc02020, 0xc02020, 0x2060c0}, []uint32{at(g, 99, 50), at(g, 100, 50), at(g, 119, 59), at(g, 120, 60)})
		still(t, s, g)
	}
}

// The pointer is painted where it is, and leaves no trace.
func TestPointer(t *testing.T) {
	t.Parallel()
	_, s, p := start(t)
	g := segment(t, s)
	p.fill(0x808080, 0, 0, 0, 0)
	painted := func() (n int) {
		require.NoError(t, s.Grab(t.Context(), g))
		for y := 90; y < 120; y++ {
			for x := 90; x < 120; x++ {
				if at(g, x, y) != 0x808080 {
					n++
				}
			}
		}
		return n
	}
	require.Zero(t, painted())
	moved, err := s.PointerMoved(t.Context())
	require.NoError(t, err)
	require.False(t, moved)
	p.point(105, 105)
	moved, err = s.PointerMoved(t.Context())
	require.NoError(t, err)
	require.True(t, moved)
	require.Positive(t, painted())
	moved, err = s.PointerMoved(t.Context())
	require.NoError(t, err)
	require.False(t, moved)
	p.point(0, 0) // its image goes beyond the corner
	require.Zero(t, painted())
	p.point(width-1, height-1)
	require.Zero(t, painted())

	// Another image is a change.
	still(t, s, g)
	font, err := xproto.NewFontId(p.conn.Conn)
	require.NoError(t, err)
	require.NoError(t, xproto.OpenFontChecked(p.conn.Conn, font, uint16(len("cursor")), "cursor").Check())
	cursor, err := xproto.NewCursorId(p.conn.Conn)
	require.NoError(t, err)
	const heart = 62 // of the cursor font (X11/cursorfont.h)
	require.NoError(t, xproto.CreateGlyphCursorChecked(p.conn.Conn, cursor, font, font, heart, heart+1, 65535, 0, 0, 0, 0, 0).Check())
	require.NoError(t, xproto.ChangeWindowAttributesChecked(p.conn.Conn, p.root, xproto.CwCursor, []uint32{uint32(cursor)}).Check())
	changes(t, s)
	p.point(105, 105)
	red := false
	painted()
	for i := range width * height {
		red = red || at(g, i%width, i/width) == 0xff0000
	}
	require.True(t, red, "a red heart")
}

func TestResized(t *testing.T) {
	t.Parallel()
	server, s, _ := start(t)
	g := segment(t, s)
	require.NoError(t, s.Grab(t.Context(), g))
	_, _, err := display.Resize(t.Context(), server.Display, 640, 480, 60)
	require.NoError(t, err)
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the change of the size was not noticed")
	}
	require.ErrorIs(t, s.Err(), ErrSize)
	require.ErrorIs(t, s.Err(), frame.ErrDisplay)
	require.ErrorContains(t, s.Err(), "is 640x480 and not 320x240")
	require.ErrorIs(t, s.Grab(t.Context(), g), ErrSize)
	_, err = Open(t.Context(), server.Display, width, height)
	require.ErrorIs(t, err, ErrSize)
}

func TestServerDies(t *testing.T) {
	t.Parallel()
	server, s, _ := start(t)
	g := segment(t, s)
	require.NoError(t, server.Process.Kill())
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the server's end was not noticed")
	}
	require.ErrorIs(t, s.Err(), ErrLost)
	require.ErrorIs(t, s.Grab(t.Context(), g), ErrLost)
	_, err := Open(t.Context(), server.Display, width, height)
	require.ErrorIs(t, err, ErrLost)
	require.NotEmpty(t, g.Data, "memory outlives the server")
	g.Data[0] = 1
}

func TestClose(t *testing.T) {
	t.Parallel()
	_, s, _ := start(t)
	g := segment(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, s.Grab(ctx, g))
	s.Close()
	s.Close()
	require.ErrorIs(t, s.Grab(t.Context(), g), ErrLost)
	_, err := s.PointerMoved(t.Context())
	require.ErrorIs(t, err, ErrLost)
	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
}

// Shared memory is the kernel's as soon as it is attached: nothing is left, however a process ends. Not parallel: it looks at all there is.
func TestSharedMemoryIsNotLeft(t *testing.T) {
	before := segments(t)
	_, s, _ := start(t)
	for range 10 {
		g, err := s.NewSegment(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Grab(t.Context(), g))
		require.NoError(t, g.Close())
	}
	s.Close()
	// The server gives it back when it has seen our end.
	require.Eventually(t, func() bool { return segments(t) <= before }, patience, 5*time.Millisecond, "%d segments before", before)
}

// segments counts the shared memory that this process has made.
func segments(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/shm")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == strconv.Itoa(os.Getpid()) { // cpid, proc_sysvipc_shm(5)
			n++
		}
	}
	return n
}

// Changes are told one by one to who hears each, also while the screen is not read.
func TestEachChangeIsTold(t *testing.T) {
	t.Parallel()
	_, s, p := start(t)
	g := segment(t, s)
	still(t, s, g)
	for n := range 5 {
		p.fill(uint32(n)<<16|0x8080, 10, 10, 20, 20)
		changes(t, s)
		require.NoError(t, s.Hear(t.Context()))
		_, err := s.PointerMoved(t.Context()) // a round trip: the server has heard of it
		require.NoError(t, err)
	}
	require.NoError(t, s.Grab(t.Context(), g))
	require.Equal(t, uint32(0x48080), at(g, 15, 15))
}
