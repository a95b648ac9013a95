package testcard

import (
	"context"
	"fmt"
	"image"
	"image/color"

	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

// maxPut bounds the pixels of one PutImage: without BIG-REQUESTS an X request ends at 262,140 bytes.
const maxPut = 256 << 10

// canvas is the window and what stands behind it. Drawing goes to scene; present copies what has changed to frame, adds the crosshair
// there, and copies the same places to the window in one request. Only the main loop uses it.
type canvas struct {
	conn   *xdisplay.Conn
	screen *xproto.ScreenInfo
	window xproto.Window
	size   image.Point

	scene, frame xproto.Pixmap
	copier       xproto.Gcontext
	pens         map[color.RGBA]xproto.Gcontext
	font         *font
	faces        map[faceLook]*face
	// dirty has the places of scene that frame and window do not have yet, overlay those that the crosshair covers in frame.
	dirty, overlay []image.Rectangle
}

// faceLook is what makes a face: letters of one size in one colour on another.
type faceLook struct {
	em         int
	ink, paper color.RGBA
}

// face is a font at one size, drawn character by character into a pixmap of the server.
type face struct {
	pixmap xproto.Pixmap
	height int
	x      map[rune]int
	width  map[rune]int
}

// newCanvas makes the window, over the whole screen and with the keyboard's focus.
func newCanvas(ctx context.Context, conn *xdisplay.Conn) (*canvas, error) {
	letters, err := loadFont()
	if err != nil {
		return nil, err
	}
	screen := xproto.Setup(conn.Conn).DefaultScreen(conn.Conn)
	if screen.RootDepth != 24 {
		return nil, fmt.Errorf("testcard: the screen has depth %d: start the X server with depth 24", screen.RootDepth)
	}
	c := &canvas{conn: conn, screen: screen, font: letters, pens: map[color.RGBA]xproto.Gcontext{}, faces: map[faceLook]*face{}}
	geometry, err := c.rootSize(ctx)
	if err != nil {
		return nil, err
	}
	if c.window, err = xproto.NewWindowId(conn.Conn); err != nil {
		return nil, fmt.Errorf("testcard: %w", err)
	}
	const mask = xproto.EventMaskKeyPress | xproto.EventMaskKeyRelease | xproto.EventMaskButtonPress | xproto.EventMaskButtonRelease |
		xproto.EventMaskPointerMotion | xproto.EventMaskExposure
	xproto.CreateWindow(conn.Conn, screen.RootDepth, c.window, screen.Root, 0, 0, uint16(geometry.X), uint16(geometry.Y), 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwOverrideRedirect|xproto.CwEventMask, []uint32{1, mask})
	xproto.ChangeWindowAttributes(conn.Conn, screen.Root, xproto.CwEventMask, []uint32{xproto.EventMaskStructureNotify})
	const title = "streamstack test card"
	xproto.ChangeProperty(conn.Conn, xproto.PropModeReplace, c.window, xproto.AtomWmName, xproto.AtomString, 8, uint32(len(title)), []byte(title))
	if c.copier, err = xproto.NewGcontextId(conn.Conn); err != nil {
		return nil, fmt.Errorf("testcard: %w", err)
	}
	xproto.CreateGC(conn.Conn, c.copier, xproto.Drawable(screen.Root), xproto.GcGraphicsExposures, []uint32{0})
	if err := c.hideCursor(); err != nil {
		return nil, err
	}
	if err := c.resize(geometry); err != nil {
		return nil, err
	}
	xproto.MapWindow(conn.Conn, c.window)
	xproto.SetInputFocus(conn.Conn, xproto.InputFocusPointerRoot, c.window, xproto.TimeCurrentTime)
	return c, nil
}

func (c *canvas) rootSize(ctx context.Context) (image.Point, error) {
	var size image.Point
	err := c.conn.Guard(ctx, func() error {
		reply, err := xproto.GetGeometry(c.conn.Conn, xproto.Drawable(c.screen.Root)).Reply()
		if err == nil {
			size = image.Pt(int(reply.Width), int(reply.Height))
		}
		return err
	})
	if err != nil {
		return size, fmt.Errorf("testcard: %w", err)
	}
	return size, nil
}

// hideCursor gives the window an empty cursor: the crosshair stands for it.
func (c *canvas) hideCursor() error {
	empty, err := xproto.NewPixmapId(c.conn.Conn)
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	pen, err := xproto.NewGcontextId(c.conn.Conn)
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	cursor, err := xproto.NewCursorId(c.conn.Conn)
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	xproto.CreatePixmap(c.conn.Conn, 1, empty, xproto.Drawable(c.screen.Root), 1, 1)
	xproto.CreateGC(c.conn.Conn, pen, xproto.Drawable(empty), xproto.GcForeground, []uint32{0})
	xproto.PolyFillRectangle(c.conn.Conn, xproto.Drawable(empty), pen, []xproto.Rectangle{{Width: 1, Height: 1}})
	xproto.CreateCursor(c.conn.Conn, cursor, empty, empty, 0, 0, 0, 0, 0, 0, 0, 0)
	xproto.ChangeWindowAttributes(c.conn.Conn, c.window, xproto.CwCursor, []uint32{uint32(cursor)})
	xproto.FreeGC(c.conn.Conn, pen)
	xproto.FreePixmap(c.conn.Conn, empty)
	return nil
}

// resize fits window and pixmaps to the screen; everything has to be drawn again.
func (c *canvas) resize(size image.Point) error {
	for _, pixmap := range []*xproto.Pixmap{&c.scene, &c.frame} {
		if *pixmap != 0 {
			xproto.FreePixmap(c.conn.Conn, *pixmap)
		}
		id, err := xproto.NewPixmapId(c.conn.Conn)
		if err != nil {
			return fmt.Errorf("testcard: %w", err)
		}
		*pixmap = id
		xproto.CreatePixmap(c.conn.Conn, c.screen.RootDepth, id, xproto.Drawable(c.screen.Root), uint16(size.X), uint16(size.Y))
	}
	for _, f := range c.faces {
		xproto.FreePixmap(c.conn.Conn, f.pixmap)
	}
	clear(c.faces)
	xproto.ConfigureWindow(c.conn.Conn, c.window, xproto.ConfigWindowWidth|xproto.ConfigWindowHeight, []uint32{uint32(size.X), uint32(size.Y)})
	c.size, c.dirty, c.overlay = size, nil, nil
	return nil
}

// fill paints rectangles of the scene in one colour.
func (c *canvas) fill(colour color.RGBA, places ...image.Rectangle) {
	c.paint(c.scene, colour, places)
	c.dirty = append(c.dirty, places...)
}

func (c *canvas) paint(on xproto.Pixmap, colour color.RGBA, places []image.Rectangle) {
	if len(places) > 0 {
		xproto.PolyFillRectangle(c.conn.Conn, xproto.Drawable(on), c.pen(colour), c.rectangles(places))
	}
}

// pen gives the graphics context that paints in a colour. The card has less than a hundred colours, so none is ever freed.
func (c *canvas) pen(colour color.RGBA) xproto.Gcontext {
	pen, ok := c.pens[colour]
	if ok {
		return pen
	}
	pen, err := xproto.NewGcontextId(c.conn.Conn)
	if err != nil {
		return c.copier // the connection has ended, which the next round trip tells
	}
	pixel := uint32(colour.R)<<16 | uint32(colour.G)<<8 | uint32(colour.B)
	xproto.CreateGC(c.conn.Conn, pen, xproto.Drawable(c.screen.Root), xproto.GcForeground|xproto.GcGraphicsExposures, []uint32{pixel, 0})
	c.pens[colour] = pen
	return pen
}

// rectangles clips to the screen and converts to X's type.
func (c *canvas) rectangles(places []image.Rectangle) []xproto.Rectangle {
	list := make([]xproto.Rectangle, 0, len(places))
	for _, r := range places {
		if r = r.Intersect(image.Rectangle{Max: c.size}); !r.Empty() {
			list = append(list, xproto.Rectangle{X: int16(r.Min.X), Y: int16(r.Min.Y), Width: uint16(r.Dx()), Height: uint16(r.Dy())})
		}
	}
	return list
}

// present makes the scene visible, with the overlay (the crosshair) over it, and waits until the server has done it.
func (c *canvas) present(ctx context.Context, overlay func() (outline, core []image.Rectangle)) error {
	outline, core := overlay()
	changed := c.rectangles(append(append(c.dirty, c.overlay...), outline...))
	xproto.SetClipRectangles(c.conn.Conn, xproto.ClipOrderingUnsorted, c.copier, 0, 0, changed)
	width, height := uint16(c.size.X), uint16(c.size.Y)
	xproto.CopyArea(c.conn.Conn, xproto.Drawable(c.scene), xproto.Drawable(c.frame), c.copier, 0, 0, 0, 0, width, height)
	c.paint(c.frame, black, outline)
	c.paint(c.frame, white, core)
	xproto.CopyArea(c.conn.Conn, xproto.Drawable(c.frame), xproto.Drawable(c.window), c.copier, 0, 0, 0, 0, width, height)
	c.dirty, c.overlay = c.dirty[:0], outline
	if err := c.conn.RoundTrip(ctx); err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	return nil
}

// expose brings back what another window had covered.
func (c *canvas) expose(place image.Rectangle) { c.dirty = append(c.dirty, place) }
