// Package inputtest feeds devices of an Xorg whose driver is inputtest(4): touch screens, which XTEST cannot play, and mice with smooth
// scrolling, which XTEST has not. It needs neither uinput nor any right on the host: the driver makes a Unix socket for each device and
// takes its events from whoever connects first. Debian has the driver in xserver-xorg-core.
//
// The driver never notices that a client has gone (it keeps the dead connection and polls it), so a connection is for the life of the
// X server.
package inputtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"streamstack/streamer/input/xdisplay"
)

const (
	// axisX and axisY are the place on a touch screen or the way of a mouse, horizontalScroll and verticalScroll the mouse's wheels.
	axisX, axisY, horizontalScroll, verticalScroll = 0, 1, 2, 3
	// touchRange is one more than the highest place on either axis of a touch screen.
	touchRange = 0x10000
	// MaxTouches is how many fingers the driver can tell apart; the configuration may say less (TouchCount).
	MaxTouches = 15
	// ScrollNotch is how far one notch of a wheel scrolls, as with Linux' REL_WHEEL_HI_RES.
	ScrollNotch = 120
)

// Device is one device of an X server. Its methods are for one goroutine; Close may be called from any. An event that was written is
// played before any request that is sent to the X server after it: a round trip on an X connection tells that it has been. (The driver's
// own way to wait, xf86ITEventWaitForSync, waits for ever after an event that had no effect.)
type Device struct{ socket net.Conn }

// Open connects to a device's socket. It waits no longer than ctx and xdisplay.Limit allow.
func Open(ctx context.Context, path string) (*Device, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, xdisplay.Limit, xdisplay.ErrStuck)
	defer cancel()
	socket, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("inputtest: %w", err)
	}
	d := &Device{socket: socket}
	if err := d.greet(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Device) greet() error {
	if err := d.write(encodeVersion()); err != nil {
		return err
	}
	answer, err := d.read(versionSize, responseVersion)
	if err != nil {
		return err
	}
	major, minor := binary.NativeEndian.Uint16(answer[headSize:]), binary.NativeEndian.Uint16(answer[headSize+2:])
	if major != protocolMajor || minor < protocolMinor {
		return fmt.Errorf("inputtest: %w: %d.%d, not %d.%d", errVersion, major, minor, protocolMajor, protocolMinor)
	}
	return nil
}

// MoveTo moves a mouse to a place on the screen, in pixels.
func (d *Device) MoveTo(x, y float64) error {
	return d.write(encodeMotion(true, axes{axisX: x, axisY: y}))
}

// MoveBy moves a mouse, in pixels.
func (d *Device) MoveBy(x, y float64) error {
	return d.write(encodeMotion(false, axes{axisX: x, axisY: y}))
}

// Scroll turns a mouse's wheels by parts of a notch, each of which is ScrollNotch: right and down are positive.
func (d *Device) Scroll(x, y float64) error {
	values := axes{}
	if x != 0 {
		values[horizontalScroll] = x
	}
	if y != 0 {
		values[verticalScroll] = y
	}
	if len(values) == 0 {
		return nil
	}
	return d.write(encodeMotion(false, values))
}

// Button presses or releases a mouse's button, by X's number.
func (d *Device) Button(number byte, press bool) error { return d.write(encodeButton(number, press)) }

// TouchBegin puts a finger down at a place given in parts of the screen, 0 to 1. The id is free again after its TouchEnd.
func (d *Device) TouchBegin(id uint32, x, y float64) error { return d.touch(touchBegin, id, x, y) }

// TouchUpdate moves a finger.
func (d *Device) TouchUpdate(id uint32, x, y float64) error { return d.touch(touchUpdate, id, x, y) }

// TouchEnd lifts a finger.
func (d *Device) TouchEnd(id uint32) error { return d.write(encodeTouch(touchEnd, id, nil)) }

func (d *Device) touch(kind, id uint32, x, y float64) error {
	return d.write(encodeTouch(kind, id, axes{axisX: x * touchRange, axisY: y * touchRange}))
}

func (d *Device) write(event []byte) error {
	if err := d.socket.SetWriteDeadline(time.Now().Add(xdisplay.Limit)); err != nil {
		return fmt.Errorf("inputtest: %w", err)
	}
	if _, err := d.socket.Write(event); err != nil {
		return failure(err)
	}
	return nil
}

func (d *Device) read(size int, kind uint32) ([]byte, error) {
	if err := d.socket.SetReadDeadline(time.Now().Add(xdisplay.Limit)); err != nil {
		return nil, fmt.Errorf("inputtest: %w", err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(d.socket, b); err != nil {
		return nil, failure(err)
	}
	if length, got := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:]); length != uint32(size) || got != kind {
		return nil, fmt.Errorf("inputtest: an answer of type %d and %d bytes: type %d and %d bytes were to come", got, length, kind, size)
	}
	return b, nil
}

// failure tells a server that is stuck from one that is gone.
func failure(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("inputtest: %w", xdisplay.ErrStuck)
	}
	return fmt.Errorf("inputtest: %w: %w", xdisplay.ErrGone, err)
}

// Close ends the connection. It may be called more than once.
func (d *Device) Close() error {
	if err := d.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("inputtest: %w", err)
	}
	return nil
}
