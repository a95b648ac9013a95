package main

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xproto"
	"golang.org/x/sys/unix"
)

// screen is a window over a whole X screen.
type screen struct {
	conn          *xgb.Conn
	window        xproto.Drawable
	gc            xproto.Gcontext
	root          xproto.Window
	frames        xproto.Atom // see count
	width, height int
}

// openScreen makes the window. It is taken out of the window manager's hands, since it needs no focus to get its events.
func openScreen() (*screen, error) {
	conn, err := xgb.NewConn()
	if err != nil {
		return nil, fmt.Errorf("clockcode: open the display: %w", err)
	}
	s, err := newScreen(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func newScreen(conn *xgb.Conn) (*screen, error) {
	if err := shm.Init(conn); err != nil {
		return nil, fmt.Errorf("clockcode: the X server has no shared memory: %w", err)
	}
	info := xproto.Setup(conn).DefaultScreen(conn)
	if info.RootDepth != 24 {
		return nil, fmt.Errorf("clockcode: a screen of depth 24 is needed, this one has %d", info.RootDepth)
	}
	window, err := xproto.NewWindowId(conn)
	if err != nil {
		return nil, fmt.Errorf("clockcode: %w", err)
	}
	gc, err := xproto.NewGcontextId(conn)
	if err != nil {
		return nil, fmt.Errorf("clockcode: %w", err)
	}
	const grey = 0x00404040
	xproto.CreateWindow(conn, info.RootDepth, window, info.Root, 0, 0, info.WidthInPixels, info.HeightInPixels, 0,
		xproto.WindowClassInputOutput, info.RootVisual, xproto.CwBackPixel|xproto.CwOverrideRedirect|xproto.CwEventMask,
		[]uint32{grey, 1, xproto.EventMaskKeyPress | xproto.EventMaskButtonPress})
	if err := xproto.MapWindowChecked(conn, window).Check(); err != nil {
		return nil, fmt.Errorf("clockcode: show the window: %w", err)
	}
	xproto.SetInputFocus(conn, xproto.InputFocusPointerRoot, window, xproto.TimeCurrentTime)
	xproto.CreateGC(conn, gc, xproto.Drawable(window), 0, nil)
	frames, err := xproto.InternAtom(conn, false, uint16(len(framesProperty)), framesProperty).Reply()
	if err != nil {
		return nil, fmt.Errorf("clockcode: %w", err)
	}
	return &screen{conn: conn, window: xproto.Drawable(window), gc: gc, root: info.Root, frames: frames.Atom, width: int(info.WidthInPixels), height: int(info.HeightInPixels)}, nil
}

// framesProperty is where [screen.count] writes.
const framesProperty = "CLOCKCODE_FRAMES"

// count says in a property of the root window how many frames there were, for whoever compares that with what comes out. It changes
// nothing on the screen.
func (s *screen) count(frames int) {
	xproto.ChangeProperty(s.conn, xproto.PropModeReplace, s.root, s.frames, xproto.AtomCardinal, 32, 1,
		binary.NativeEndian.AppendUint32(nil, uint32(frames)))
}

// inputs sends the time of each press of a key or a button until the connection ends.
func (s *screen) inputs(to chan<- uint32) {
	for {
		event, err := s.conn.WaitForEvent()
		if event == nil && err == nil {
			return
		}
		switch event.(type) {
		case xproto.KeyPressEvent, xproto.ButtonPressEvent:
			select {
			case to <- now():
			default: // the painter is a whole screen of events behind
			}
		}
	}
}

// picture is a part of a segment and where it goes on the screen, in pixels.
type picture struct {
	segment               *segment
	width, height         int // of the whole segment
	fromX, fromY          int
	partWidth, partHeight int
	toX, toY              int
}

// put asks the server to copy a picture to the window. It is not waited for.
func (s *screen) put(p picture) {
	shm.PutImage(s.conn, s.window, s.gc, uint16(p.width), uint16(p.height), uint16(p.fromX), uint16(p.fromY),
		uint16(p.partWidth), uint16(p.partHeight), int16(p.toX), int16(p.toY), 24, xproto.ImageFormatZPixmap, 0, p.segment.id, 0)
}

// painted waits until the server has done what it was asked for.
func (s *screen) painted() error {
	if _, err := xproto.GetInputFocus(s.conn).Reply(); err != nil {
		return fmt.Errorf("clockcode: the X server has gone: %w", err)
	}
	return nil
}

// segment is shared memory of this process and the X server.
type segment struct {
	id     shm.Seg
	pixels []uint32
}

func newSegment(conn *xgb.Conn, pixels int) (*segment, error) {
	const bytes = 4 // of a pixel
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, pixels*bytes, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, fmt.Errorf("clockcode: shared memory: %w", err)
	}
	memory, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("clockcode: shared memory: %w", err)
	}
	s, err := shm.NewSegId(conn)
	if err != nil {
		return nil, fmt.Errorf("clockcode: %w", err)
	}
	attached := shm.AttachChecked(conn, s, uint32(id), true).Check()
	// It goes as soon as both ends have detached.
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil {
		return nil, fmt.Errorf("clockcode: shared memory: %w", err)
	}
	if attached != nil {
		return nil, fmt.Errorf("clockcode: share memory with the X server: %w", attached)
	}
	return &segment{id: s, pixels: unsafe.Slice((*uint32)(unsafe.Pointer(&memory[0])), pixels)}, nil //nolint:gosec // C memory, of this size
}

// now is the wall clock in milliseconds, rounded, its low 32 bits.
func now() uint32 {
	return uint32(time.Now().Round(time.Millisecond).UnixMilli())
}
