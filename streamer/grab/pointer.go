package grab

import (
	"context"
	"sync/atomic"

	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

// pointer is the mouse pointer: its image is asked for when it has changed, its place before each picture.
type pointer struct {
	known  bool          // the server has XFIXES
	serial atomic.Uint32 // of the image that the server has now
	image  *xfixes.GetCursorImageReply
	x, y   int16 // where it was last seen
}

// outdated tells that the server shows another image.
func (p *pointer) outdated(serial uint32) { p.serial.Store(serial) }

func (s *Screen) preparePointer() error {
	if s.conn.Use(xdisplay.XFixes) != nil {
		return nil //nolint:nilerr // a screen without a pointer is a picture all the same
	}
	// The version that is asked for is the one that the server speaks with us (XFIXES, section 3); regions, which DAMAGE needs, came with 2.
	if _, err := xfixes.QueryVersion(s.conn.Conn, 2, 0).Reply(); err != nil {
		return err //nolint:wrapcheck // Open does
	}
	s.pointer.known = true
	return xfixes.SelectCursorInputChecked(s.conn.Conn, s.root, xfixes.CursorNotifyMaskDisplayCursor).Check() //nolint:wrapcheck // likewise
}

// PointerMoved tells whether the pointer is somewhere else than in the last picture. X tells of its movements only those who grab it, so it has
// to be asked for: a round trip of some 50 µs.
func (s *Screen) PointerMoved(ctx context.Context) (moved bool, err error) {
	if !s.pointer.known {
		return false, nil
	}
	err = s.conn.Guard(ctx, func() error {
		at, err := xproto.QueryPointer(s.conn.Conn, s.root).Reply()
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		moved = at.SameScreen && (at.RootX != s.pointer.x || at.RootY != s.pointer.y)
		return nil
	})
	if err != nil {
		return false, s.wrap(err)
	}
	return moved, nil
}

// paintPointer paints the pointer into a picture, at the place that was asked for.
func (s *Screen) paintPointer(picture []byte, place xproto.QueryPointerCookie) error {
	p := &s.pointer
	at, err := place.Reply()
	if err != nil {
		return err //nolint:wrapcheck // Grab does
	}
	if !p.known {
		return nil
	}
	p.x, p.y = at.RootX, at.RootY
	if serial := p.serial.Load(); p.image == nil || p.image.CursorSerial != serial && serial != 0 {
		image, err := xfixes.GetCursorImage(s.conn.Conn).Reply()
		if err != nil {
			return err //nolint:wrapcheck // likewise
		}
		p.image = image
		p.serial.CompareAndSwap(serial, image.CursorSerial)
	}
	blend(picture, s.width, s.height, p.image, int(p.x)-int(p.image.Xhot), int(p.y)-int(p.image.Yhot))
	return nil
}

// blend paints a pointer, whose colours are multiplied by its alpha (XFIXES, section 7), with its corner at left, top.
func blend(picture []byte, width, height int, image *xfixes.GetCursorImageReply, left, top int) {
	w, h := int(image.Width), int(image.Height)
	if len(image.CursorImage) < w*h {
		return
	}
	for y := max(0, -top); y < h && top+y < height; y++ {
		for x := max(0, -left); x < w && left+x < width; x++ {
			argb := image.CursorImage[y*w+x]
			rest := 255 - argb>>24
			if rest == 255 {
				continue
			}
			pixel := picture[((top+y)*width+left+x)*bytesPerPixel:]
			for i := range 3 { // blue, green, red
				pixel[i] = byte(min(255, argb>>(8*i)&0xff+uint32(pixel[i])*rest/255))
			}
		}
	}
}
