package control

import (
	"time"

	"streamstack/streamer/frame"
)

// RhythmType is the type of [DisplayRhythm].
const RhythmType = "display::rhythm"

// Limits of a rhythm, in milliseconds: displays refresh 10 to 500 times a second.
const minPeriod, maxPeriod, maxSpread = 2, 100, 1000

type rhythmFields struct {
	Period *float64 `json:"period"`
	Lead   *float64 `json:"lead"`
	Spread *float64 `json:"spread"`
}

// parseRhythm reads times in milliseconds, with fractions.
func parseRhythm(f rhythmFields) (Message, error) {
	switch {
	case f.Period == nil || f.Lead == nil || f.Spread == nil:
		return nil, missing("period, lead or spread")
	case *f.Period < minPeriod || *f.Period > maxPeriod:
		return nil, outside("period", *f.Period)
	case *f.Lead < 0 || *f.Lead >= *f.Period:
		return nil, outside("lead", *f.Lead)
	case *f.Spread < 0 || *f.Spread > maxSpread:
		return nil, outside("spread", *f.Spread)
	}
	time := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	return DisplayRhythm{frame.Rhythm{Period: time(*f.Period), Lead: time(*f.Lead), Spread: time(*f.Spread)}}, nil
}
