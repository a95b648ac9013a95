// Package xi2 is as much of the X Input Extension 2.2 as is needed to see touch and smooth scrolling: xgb has none of it. It selects
// events of the master devices on a window, and reads them. (X Input Device Extension Library, protocol 2.2: XI2proto.h and the
// specification XI2proto.txt of xorgproto.)
package xi2

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/jezek/xgb/xproto"

	"streamstack/streamer/input/xdisplay"
)

// Kind is the type of an event.
type Kind uint16

// The kinds that Select takes and Parse gives.
const (
	ButtonPress   Kind = 4
	ButtonRelease Kind = 5
	Motion        Kind = 6
	TouchBegin    Kind = 18
	TouchUpdate   Kind = 19
	TouchEnd      Kind = 20
)

// FlagEmulated marks a press, release or motion that the server made from a touch or from smooth scrolling (XIPointerEmulated).
const FlagEmulated = 1 << 16

const (
	extension = "XInputExtension"
	// allMasters stands for all master devices (XIAllMasterDevices).
	allMasters = 1
	// Minor opcodes.
	selectEvents, queryVersion = 46, 47
	// wantMajor.wantMinor is the first version with touch.
	wantMajor, wantMinor = 2, 2
	// deviceEvent is the size of an event up to its variable parts.
	deviceEvent = 80
)

// Event is one event of a master device.
type Event struct {
	Kind Kind
	// Detail is the touch's id, or the button's number.
	Detail uint32
	// X and Y are the place on the screen, in pixels with fractions.
	X, Y float64
	// Flags has FlagEmulated and others.
	Flags uint32
	// Valuators are those of the device's axes that the event tells of, by number.
	Valuators map[int]float64
}

// Select asks for events of the window, in place of what this client asked for before. It fails where the server has no XInput 2.2.
func Select(ctx context.Context, conn *xdisplay.Conn, window xproto.Window, kinds ...Kind) error {
	return conn.Guard(ctx, func() error { //nolint:wrapcheck // says what it is
		found, err := xproto.QueryExtension(conn.Conn, uint16(len(extension)), extension).Reply()
		if err != nil {
			return fmt.Errorf("xi2: %w", err)
		}
		if !found.Present {
			return fmt.Errorf("xi2: the X server has no %s", extension)
		}
		version := []byte{found.MajorOpcode, queryVersion, 2, 0, wantMajor, 0, wantMinor, 0}
		cookie := conn.NewCookie(true, true)
		conn.NewRequest(version, cookie)
		reply, err := cookie.Reply()
		if err != nil {
			return fmt.Errorf("xi2: %w", err)
		}
		if major, minor := binary.LittleEndian.Uint16(reply[8:]), binary.LittleEndian.Uint16(reply[10:]); major < wantMajor || (major == wantMajor && minor < wantMinor) {
			return fmt.Errorf("xi2: the X server has version %d.%d, not %d.%d", major, minor, wantMajor, wantMinor)
		}
		var mask uint32
		for _, k := range kinds {
			mask |= 1 << k
		}
		request := make([]byte, 0, 20)
		request = append(request, found.MajorOpcode, selectEvents, 5, 0)
		request = binary.LittleEndian.AppendUint32(request, uint32(window))
		request = append(request, 1, 0, 0, 0, allMasters, 0, 1, 0) // one mask, of one word
		request = binary.LittleEndian.AppendUint32(request, mask)
		cookie = conn.NewCookie(true, false)
		conn.NewRequest(request, cookie)
		if err := cookie.Check(); err != nil {
			return fmt.Errorf("xi2: %w", err)
		}
		return nil
	})
}

// Parse reads a generic event of xdisplay.DialGeneric; false for one of a kind that this package does not know.
func Parse(raw []byte) (Event, bool) {
	if len(raw) < deviceEvent {
		return Event{}, false
	}
	word, half := binary.LittleEndian.Uint32, binary.LittleEndian.Uint16
	e := Event{Kind: Kind(half(raw[8:])), Detail: word(raw[16:]), X: fixed16(word(raw[32:])), Y: fixed16(word(raw[36:])), Flags: word(raw[56:])}
	switch e.Kind {
	case ButtonPress, ButtonRelease, Motion, TouchBegin, TouchUpdate, TouchEnd:
	default:
		return Event{}, false
	}
	rest := raw[deviceEvent:]
	buttons, masks := 4*int(half(raw[48:])), 4*int(half(raw[50:]))
	if len(rest) < buttons+masks {
		return Event{}, false
	}
	mask, values := rest[buttons:buttons+masks], rest[buttons+masks:]
	for i, b := range mask {
		for ; b != 0; b &= b - 1 {
			if len(values) < 8 {
				return Event{}, false
			}
			if e.Valuators == nil {
				e.Valuators = map[int]float64{}
			}
			e.Valuators[8*i+bits.TrailingZeros8(b)] = float64(int32(word(values))) + float64(word(values[4:]))/(1<<32)
			values = values[8:]
		}
	}
	return e, true
}

// fixed16 reads an FP1616: 16 bits before and after the point.
func fixed16(v uint32) float64 { return float64(int32(v)) / (math.MaxUint16 + 1) }
