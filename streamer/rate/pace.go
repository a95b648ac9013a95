package rate

import "time"

const (
	// paceFactor is how much faster than the estimate packets go: a picture should be through before the next one comes.
	paceFactor = 2.5
	// drainFactor is the same while a queue is being drained, or is longer than paceQueue: what goes faster only waits there.
	drainFactor = 1.1
	paceQueue   = 50 * time.Millisecond
	// burstPictures usual pictures go at once; burstTime of the pace at least, and burstMost bytes at most.
	burstPictures = 1.2
	burstPace     = 5 * time.Millisecond
	burstMost     = 24_000
)

// Pace is how fast a pacer lets packets go.
type Pace struct {
	// Rate is in bit/s, Burst in bytes.
	Rate, Burst int
}

// PaceOf is the pace for an estimate and what the encoder was told.
func PaceOf(s State, t Target) Pace {
	factor := paceFactor
	if s.Draining || s.Outage || s.Queue > paceQueue {
		factor = drainFactor
	}
	p := Pace{Rate: int(factor * float64(s.Estimate))}
	picture := burstPictures * float64(t.Bitrate) / 8 / float64(max(t.FPS, 1))
	p.Burst = int(min(max(picture, float64(p.Rate)/8*burstPace.Seconds()), burstMost))
	return p
}
