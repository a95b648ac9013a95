package gateway

import "streamstack/events"

// Limits of a screen (gateway-api.md, section 5).
const (
	maxPixels  = 3840 * 2160
	minSide    = 16 // the codecs' macroblock
	maxSide    = 8192
	minDensity = 72
	maxDensity = 1000
	maxFPS     = 240
	// The screen of a request that names none, for an application that names none either.
	defaultWidth, defaultHeight, defaultFPS, defaultDensity = 1280, 720, 60, 240
)

// screenRequest is a screen as clients send it; absent members keep their value.
type screenRequest struct {
	Width   *int `json:"width"`
	Height  *int `json:"height"`
	FPS     *int `json:"fps"`
	Density *int `json:"density"`
}

// over lays the request over a screen, checks it, and makes both sides even: the encoders need that, and the original
// does the same. A nil request takes the screen as it is.
func (r *screenRequest) over(base events.Screen) (events.Screen, error) {
	s := events.Screen{
		Width: orDefault(base.Width, defaultWidth), Height: orDefault(base.Height, defaultHeight),
		FPS: orDefault(base.FPS, defaultFPS), Density: orDefault(base.Density, defaultDensity),
	}
	if r != nil {
		for _, f := range []struct {
			to   *int
			from *int
		}{{&s.Width, r.Width}, {&s.Height, r.Height}, {&s.FPS, r.FPS}, {&s.Density, r.Density}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
	}
	for _, f := range []struct {
		name            string
		value, min, max int
	}{
		{"screen.width", s.Width, 1, maxSide}, {"screen.height", s.Height, 1, maxSide},
		{"screen.fps", s.FPS, 1, maxFPS}, {"screen.density", s.Density, minDensity, maxDensity},
	} {
		if f.value < f.min || f.value > f.max {
			return events.Screen{}, badRequest("%s must be from %d to %d, not %d", f.name, f.min, f.max, f.value)
		}
	}
	s.Width, s.Height = max(even(s.Width), minSide), max(even(s.Height), minSide)
	if s.Width*s.Height > maxPixels {
		return events.Screen{}, badRequest("screen: %d x %d pixels are more than 3840 x 2160 in total", s.Width, s.Height)
	}
	return s, nil
}

func even(n int) int { return n + n%2 }

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}
