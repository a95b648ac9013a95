package display

import (
	"fmt"
	"strings"

	"github.com/jezek/xgb/randr"
)

// modePrefix begins the names of the modes that are made here, which are the only ones that are removed here.
const modePrefix = "streamstack-"

const (
	// minClock and maxClock bound the pixel clock, in Hz, to what the dummy driver takes (11 to 300 MHz). It sends no picture anywhere, so
	// that a mode whose refresh rate is another than the session's costs nothing.
	minClock, maxClock = 12e6, 300e6
	// blankWidth and blankHeight are what a mode has beside the picture: reduced blanking as in VESA's Coordinated Video Timings.
	blankWidth, blankHeight = 160, 13
	minRate, maxRate        = 1, 240
)

// timings make a mode of a size, with a refresh rate as near to the wanted one as the clock allows.
func timings(width, height, rate int) randr.ModeInfo {
	rate = min(max(rate, minRate), maxRate)
	w, h := uint16(width), uint16(height)
	clock := int64(width+blankWidth) * int64(height+blankHeight) * int64(rate)
	return randr.ModeInfo{
		Width: w, Height: h, DotClock: uint32(min(max(clock, minClock), maxClock)),
		HsyncStart: w + 48, HsyncEnd: w + 80, Htotal: w + blankWidth,
		VsyncStart: h + 3, VsyncEnd: h + 7, Vtotal: h + blankHeight,
		ModeFlags: randr.ModeFlagHsyncPositive | randr.ModeFlagVsyncNegative,
	}
}

// modeOf finds a mode of a size that the monitor can show, or makes one.
func (s *screen) modeOf(width, height, rate int) (randr.Mode, error) {
	info, err := randr.GetOutputInfo(s.c.Conn, s.output, s.resources.ConfigTimestamp).Reply()
	if err != nil {
		return 0, fmt.Errorf("RandR: %w", err)
	}
	shown := map[randr.Mode]bool{}
	for _, m := range info.Modes {
		shown[m] = true
	}
	name := fmt.Sprintf("%s%dx%d", modePrefix, width, height)
	var mode randr.Mode
	for _, m := range s.modes() {
		switch id := randr.Mode(m.Id); {
		case shown[id] && int(m.Width) == width && int(m.Height) == height:
			return id, nil
		case m.name == name: // an earlier call made it and got no further
			mode = id
		}
	}
	if mode == 0 {
		wanted := timings(width, height, rate)
		wanted.NameLen = uint16(len(name))
		made, err := randr.CreateMode(s.c.Conn, s.root, wanted, name).Reply()
		if err != nil {
			return 0, fmt.Errorf("%w: RandR makes no mode: %w", ErrSize, err)
		}
		mode = made.Mode
	}
	if err := randr.AddOutputModeChecked(s.c.Conn, s.output, mode).Check(); err != nil {
		return 0, fmt.Errorf("%w: RandR: %w", ErrSize, err)
	}
	return mode, nil
}

// namedMode is a mode of the server with its name.
type namedMode struct {
	randr.ModeInfo
	name string
}

func (s *screen) modes() (all []namedMode) {
	names := s.resources.Names // all names in one piece
	for _, m := range s.resources.Modes {
		n := min(int(m.NameLen), len(names))
		all = append(all, namedMode{m, string(names[:n])})
		names = names[n:]
	}
	return all
}

// forgetModes removes the modes made here that nothing shows any more: clients of a thousand sizes must not leave a thousand modes. What
// cannot be removed is in use, and goes the next time.
func (s *screen) forgetModes() {
	current, err := randr.GetCrtcInfo(s.c.Conn, s.crtc, s.resources.ConfigTimestamp).Reply()
	if err != nil {
		return
	}
	if s.resources, err = randr.GetScreenResourcesCurrent(s.c.Conn, s.root).Reply(); err != nil {
		return
	}
	for _, m := range s.modes() {
		if id := randr.Mode(m.Id); strings.HasPrefix(m.name, modePrefix) && id != current.Mode {
			_ = randr.DeleteOutputModeChecked(s.c.Conn, s.output, id).Check() // as above
			_ = randr.DestroyModeChecked(s.c.Conn, id).Check()
		}
	}
}
