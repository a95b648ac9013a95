// Package display changes the size of an X screen while programs run on it.
//
// A client that joins may bring another screen, and it has to be there before the offer, since a picture's size must not change within a
// stream (signalling.md, sections 6 and 11). The means is RandR 1.3, which Xorg has with every driver that can take new modes, the dummy
// driver of our instances among them. Xvfb cannot: its one mode is all it ever has.
//
// Programs see what they would see when a person plugs another monitor in: the root window is configured anew. The window manager of the
// instance (the agent's kiosk) then gives the windows their new size.
package display

import (
	"context"
	"errors"
	"fmt"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

// ErrSize tells that the display cannot have the size: it is out of the X server's range, or the server takes no new modes.
var ErrSize = errors.New("the X server does not take this size")

// RandR 1.3 is what this needs.
const randrMajor, randrMinor = 1, 3

// dotsPerInch is what the size in millimetres is made from: Xorg's own default. A picture that is streamed has no size in the world.
const dotsPerInch = 96

// Resize gives a display of this machine, such as ":5", a screen of width × height pixels that is refreshed rate times a second, and
// returns the size that it has then: never smaller than was asked for, larger where the server has a least size.
//
// All happens while other programs' requests wait (GrabServer), so that nobody sees a screen without a monitor. After an error the screen is
// as it was, unless the server is gone. The size wraps [ErrSize] when it cannot be had. Two calls for one display must not run at a time.
func Resize(ctx context.Context, display string, width, height, rate int) (int, int, error) {
	conn, err := xdisplay.Dial(ctx, display)
	if err != nil {
		return 0, 0, fmt.Errorf("display: %w", err)
	}
	events := make(chan struct{})
	go func() { // takes what nobody asked for, until the connection ends
		defer close(events)
		for {
			if event, refused := conn.WaitForEvent(); event == nil && refused == nil {
				return
			}
		}
	}()
	defer func() { conn.Abort(); <-events }()
	s := &screen{c: conn, root: xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root}
	err = conn.Guard(ctx, func() error {
		var err error
		width, height, err = s.resize(width, height, rate)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("display: %s to %dx%d: %w", display, width, height, err)
	}
	return width, height, nil
}

// screen is the root window of a display and the monitor that shows it.
type screen struct {
	c    *xdisplay.Conn
	root xproto.Window

	resources *randr.GetScreenResourcesCurrentReply
	crtc      randr.Crtc
	output    randr.Output
	mode      randr.Mode // what the monitor has now
}

func (s *screen) resize(width, height, rate int) (int, int, error) {
	if err := s.c.Use(xdisplay.RandR); err != nil {
		return width, height, fmt.Errorf("%w: it has no RandR: %w", ErrSize, err)
	}
	if _, err := randr.QueryVersion(s.c.Conn, randrMajor, randrMinor).Reply(); err != nil {
		return width, height, fmt.Errorf("RandR: %w", err)
	}
	limits, err := randr.GetScreenSizeRange(s.c.Conn, s.root).Reply()
	if err != nil {
		return width, height, fmt.Errorf("RandR: %w", err)
	}
	if width < 1 || height < 1 || width > int(limits.MaxWidth) || height > int(limits.MaxHeight) {
		return width, height, fmt.Errorf("%w: it takes 1x1 to %dx%d", ErrSize, limits.MaxWidth, limits.MaxHeight)
	}
	width, height = max(width, int(limits.MinWidth)), max(height, int(limits.MinHeight))
	now, err := xproto.GetGeometry(s.c.Conn, xproto.Drawable(s.root)).Reply()
	if err != nil {
		return width, height, fmt.Errorf("size of the screen: %w", err)
	}
	if int(now.Width) == width && int(now.Height) == height {
		return width, height, nil
	}
	if err := s.find(); err != nil {
		return width, height, err
	}
	mode, err := s.modeOf(width, height, rate)
	if err != nil {
		return width, height, err
	}
	xproto.GrabServer(s.c.Conn)
	err = s.set(width, height, mode)
	if err != nil { // back to where it was, as far as that goes
		err = errors.Join(err, s.set(int(now.Width), int(now.Height), s.mode))
	}
	xproto.UngrabServer(s.c.Conn)
	s.forgetModes()
	if err != nil {
		return width, height, err
	}
	// The answer tells that all of it has been done.
	_, err = xproto.GetInputFocus(s.c.Conn).Reply()
	return width, height, err //nolint:wrapcheck // Resize does
}

// find finds the monitor: the first one that shows something, else the first that is connected.
func (s *screen) find() (err error) {
	if s.resources, err = randr.GetScreenResourcesCurrent(s.c.Conn, s.root).Reply(); err != nil {
		return fmt.Errorf("RandR: %w", err)
	}
	for _, output := range s.resources.Outputs {
		info, err := randr.GetOutputInfo(s.c.Conn, output, s.resources.ConfigTimestamp).Reply()
		switch {
		case err != nil || info.Connection != randr.ConnectionConnected || len(info.Crtcs) == 0:
			continue
		case info.Crtc != 0:
			shown, err := randr.GetCrtcInfo(s.c.Conn, info.Crtc, s.resources.ConfigTimestamp).Reply()
			if err != nil {
				return fmt.Errorf("RandR: %w", err)
			}
			s.output, s.crtc, s.mode = output, info.Crtc, shown.Mode
			return nil
		case s.output == 0:
			s.output, s.crtc = output, info.Crtcs[0]
		}
	}
	if s.output == 0 {
		return fmt.Errorf("%w: it has no monitor", ErrSize)
	}
	return nil
}

// set gives screen and monitor a size. The monitor is off meanwhile, since it must never show what is outside of the screen.
func (s *screen) set(width, height int, mode randr.Mode) error {
	if err := s.show(0, nil); err != nil {
		return err
	}
	mm := func(pixels int) uint32 { return uint32(pixels*254/(dotsPerInch*10)) + 1 }
	if err := randr.SetScreenSizeChecked(s.c.Conn, s.root, uint16(width), uint16(height), mm(width), mm(height)).Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSize, err)
	}
	return s.show(mode, []randr.Output{s.output})
}

func (s *screen) show(mode randr.Mode, outputs []randr.Output) error {
	reply, err := randr.SetCrtcConfig(s.c.Conn, s.crtc, xproto.TimeCurrentTime, s.resources.ConfigTimestamp, 0, 0, mode, randr.RotationRotate0, outputs).Reply()
	switch {
	case err != nil:
		return fmt.Errorf("%w: RandR: %w", ErrSize, err)
	case reply.Status != randr.SetConfigSuccess:
		return fmt.Errorf("%w: RandR refuses the mode with status %d", ErrSize, reply.Status)
	}
	return nil
}
