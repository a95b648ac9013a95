// Package grab reads the pictures of an X display and tells when there is a new one.
//
// It does what GStreamer's ximagesrc does, and what that cannot: ximagesrc reads at a fixed rate, so that a still screen costs as much as a
// film and a change waits for the next turn; where its server goes away it calls exit(3), by way of Xlib. Here the X server tells of changes
// (DAMAGE extension), and all that can go wrong is an error.
//
// A picture goes from the X server into shared memory (MIT-SHM) and from there into the encoder without a copy; where the server cannot share
// memory with us, over the socket. The mouse pointer, which is no part of the screen's contents, is painted into it (XFIXES).
//
// The package is free of cgo, so that it runs under the race detector.
package grab

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/frame"
	"streamstack/streamer/input/xdisplay"
)

// Errors that a caller can act on.
var (
	// ErrLost is wrapped when the X server went away, is stuck or refused to be read.
	ErrLost = fmt.Errorf("%w lost", frame.ErrDisplay)
	// ErrSize is wrapped when the screen has, or has taken on, another size than it was opened for.
	ErrSize = fmt.Errorf("%w of another size", frame.ErrDisplay)
	// ErrFormat is wrapped when the screen's pixels are none that are understood here: 24 bits of colour in 32, blue first.
	ErrFormat = fmt.Errorf("%w of an unknown format", frame.ErrDisplay)
)

// bytesPerPixel of the one format: blue, green, red and nothing, as GStreamer's BGRx.
const bytesPerPixel = 4

// Screen is a display that is being read. Changed, Done and Err may be used from any goroutine; all else belongs to one at a time.
type Screen struct {
	conn          *xdisplay.Conn
	name          string
	root          xproto.Window
	width, height int
	damage        damage.Damage // 0 where the server does not tell
	shared        bool          // the server has MIT-SHM
	pointer       pointer

	changed chan struct{}
	done    chan struct{} // closed when the connection's events end
	mu      sync.Mutex
	err     error
}

// Open begins to read a display of this machine, such as ":5", whose screen must be width × height pixels. The context bounds the opening only.
func Open(ctx context.Context, display string, width, height int) (*Screen, error) {
	conn, err := xdisplay.Dial(ctx, display)
	if err != nil {
		return nil, fmt.Errorf("grab: %w: %w", ErrLost, err)
	}
	s := &Screen{conn: conn, name: display, width: width, height: height, changed: make(chan struct{}, 1), done: make(chan struct{})}
	if err := conn.Guard(ctx, s.prepare); err != nil {
		conn.Abort()
		return nil, s.wrap(err)
	}
	go s.watch()
	return s, nil
}

// prepare asks for what will be told, and then looks at the screen as it is.
func (s *Screen) prepare() error {
	setup := xproto.Setup(s.conn.Conn)
	screen := setup.DefaultScreen(s.conn.Conn)
	s.root = screen.Root
	if err := checkFormat(setup, screen); err != nil {
		return err
	}
	if err := xproto.ChangeWindowAttributesChecked(s.conn.Conn, s.root, xproto.CwEventMask, []uint32{xproto.EventMaskStructureNotify}).Check(); err != nil {
		return err //nolint:wrapcheck // the caller does
	}
	size, err := xproto.GetGeometry(s.conn.Conn, xproto.Drawable(s.root)).Reply()
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	if err := s.checkSize(size.Width, size.Height); err != nil {
		return err
	}
	s.shared = s.conn.Use(xdisplay.SHM) == nil
	if err := s.preparePointer(); err != nil {
		return err
	}
	return s.prepareDamage()
}

func (s *Screen) prepareDamage() error {
	if s.conn.Use(xdisplay.Damage) != nil {
		return nil //nolint:nilerr // Damage tells
	}
	if _, err := damage.QueryVersion(s.conn.Conn, 1, 1).Reply(); err != nil {
		return err //nolint:wrapcheck // the caller does
	}
	id, err := damage.NewDamageId(s.conn.Conn)
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	s.damage = id
	// One event for all that happens until it is subtracted: a program that draws without end does not flood us.
	return damage.CreateChecked(s.conn.Conn, id, xproto.Drawable(s.root), damage.ReportLevelNonEmpty).Check() //nolint:wrapcheck // likewise
}

func checkFormat(setup *xproto.SetupInfo, screen *xproto.ScreenInfo) error {
	const depth, bits = 24, 8 * bytesPerPixel
	for _, f := range setup.PixmapFormats {
		if f.Depth == screen.RootDepth && screen.RootDepth == depth && f.BitsPerPixel == bits && setup.ImageByteOrder == xproto.ImageOrderLSBFirst {
			return nil
		}
	}
	return fmt.Errorf("%w: depth %d; set DefaultDepth %d in xorg.conf", ErrFormat, screen.RootDepth, depth)
}

func (s *Screen) checkSize(width, height uint16) error {
	if int(width) == s.width && int(height) == s.height {
		return nil
	}
	return fmt.Errorf("%w: the screen is %dx%d and not %dx%d, and a stream cannot change its picture's size (an application may have switched the mode of display %s)",
		ErrSize, width, height, s.width, s.height, s.name)
}

// watch takes the server's events until the connection ends.
func (s *Screen) watch() {
	defer close(s.done)
	for {
		event, refused := s.conn.WaitForEvent()
		switch e := event.(type) {
		case damage.NotifyEvent, xfixes.CursorNotifyEvent:
			if e, is := e.(xfixes.CursorNotifyEvent); is {
				s.pointer.outdated(e.CursorSerial)
			}
			select {
			case s.changed <- struct{}{}:
			default:
			}
		case xproto.ConfigureNotifyEvent:
			if e.Window != s.root {
				continue
			}
			if err := s.checkSize(e.Width, e.Height); err != nil {
				s.fail(err)
				s.conn.Abort()
			}
		case nil:
			if refused == nil {
				s.fail(xdisplay.ErrGone)
				return
			}
		}
	}
}

// fail keeps the first reason.
func (s *Screen) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.wrap(err)
	}
}

func (s *Screen) wrap(err error) error {
	var refused xgb.Error
	switch {
	case errors.Is(err, frame.ErrDisplay):
		return fmt.Errorf("grab: %w", err)
	case errors.As(err, &refused):
		return fmt.Errorf("grab: %w: %s refused a request: %w", ErrLost, s.name, err)
	}
	return fmt.Errorf("grab: %w: %s: %w", ErrLost, s.name, err)
}

// Damage tells whether the X server tells of changes. Where it does not, Changed is of no use, and the screen is to be read all the time.
func (s *Screen) Damage() bool { return s.damage != 0 }

// Hear has the next change told, before the screen is read again: until then one that has been told stands for all that follow. Changes that
// come before the server knows are not told either, and in the next picture all the same.
func (s *Screen) Hear(ctx context.Context) error {
	if s.damage == 0 {
		return nil
	}
	err := s.conn.Guard(ctx, func() error {
		damage.Subtract(s.conn.Conn, s.damage, xfixes.RegionNone, xfixes.RegionNone)
		return nil
	})
	if err != nil {
		return s.wrap(err)
	}
	return nil
}

// Changed has a value when something has changed since the last Grab or Hear began. The pointer's place is no change: see PointerMoved.
func (s *Screen) Changed() <-chan struct{} { return s.changed }

// Grab reads the whole screen, with the pointer, into a segment of this screen. What changes from now on is told by Changed.
func (s *Screen) Grab(ctx context.Context, into *Segment) error {
	err := s.conn.Guard(ctx, func() error {
		if s.damage != 0 {
			damage.Subtract(s.conn.Conn, s.damage, xfixes.RegionNone, xfixes.RegionNone)
		}
		at := xproto.QueryPointer(s.conn.Conn, s.root) // answered behind the picture, without a round trip of its own
		if err := s.read(into); err != nil {
			return err
		}
		return s.paintPointer(into.Data, at)
	})
	if err == nil {
		return nil
	}
	select {
	case <-s.done: // what ended it is the better reason
		return s.Err()
	default:
		return s.wrap(err)
	}
}

func (s *Screen) read(into *Segment) error {
	const allPlanes = 1<<32 - 1
	w, h := uint16(s.width), uint16(s.height)
	if into.id != 0 {
		_, err := shm.GetImage(s.conn.Conn, xproto.Drawable(s.root), 0, 0, w, h, allPlanes, xproto.ImageFormatZPixmap, into.id, 0).Reply()
		return err //nolint:wrapcheck // Grab does
	}
	image, err := xproto.GetImage(s.conn.Conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.root), 0, 0, w, h, allPlanes).Reply()
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	copy(into.Data, image.Data)
	return nil
}

// Done is closed when the display cannot be read any more.
func (s *Screen) Done() <-chan struct{} { return s.done }

// Err tells why, after Done: it wraps ErrLost or ErrSize.
func (s *Screen) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the reading at once. Segments are closed by those who made them.
func (s *Screen) Close() {
	s.conn.Abort()
	<-s.done
}
