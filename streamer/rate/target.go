package rate

import (
	"fmt"
	"time"
)

// How an estimate becomes what the encoder is told.
const (
	// fallPart of the target is a fall that is told at once; smaller ones wait for as long as a rise.
	fallPart = 0.02
	// leapPart is a rise that is told after leapTime; a smaller one waits for riseTime: some encoders make a key frame of each
	// change.
	leapPart           = 0.15
	leapTime, riseTime = 200 * time.Millisecond, time.Second
	// leastFPS is the lowest frame rate that pictures are thinned to. Below, the queue drops.
	leastFPS = 5
	// upMargin is what there must be beyond the need of a higher frame rate, upTime the time since the last change.
	upMargin, upTime = 1.08, time.Second
	// drainFloor is the part of the capacity that is the floor while a queue is being drained.
	drainFloor = 0.7
	// leastShare of the estimate is for the pictures, whatever else is sent.
	leastShare = 0.5
)

// steps are the parts of the full frame rate that keep pictures evenly apart, as numerator and denominator.
var steps = [][2]int{{1, 1}, {2, 3}, {1, 2}, {1, 3}, {1, 4}, {1, 6}, {1, 8}, {1, 12}}

// TargetConfig says between which bitrates the pictures are to stay.
type TargetConfig struct {
	// Min and Max are in bit/s, of the encoded pictures alone, at the full frame rate. At a part of it the same part of Min is
	// the least.
	Min, Max int
	// Start is the target before the first one is told.
	Start int
	// FPS is the full frame rate.
	FPS int
}

// Target is what an encoder should do.
type Target struct {
	// Bitrate is what it should make in all, bit/s, at FPS pictures a second. An encoder that counts pictures and not time has to
	// be told Bitrate times the full frame rate by FPS.
	Bitrate, FPS int
	// Cause is why the estimate changed last.
	Cause Cause
}

// Use is what the estimate is used for.
type Use struct {
	// Other is what is sent besides pictures: sound, repeats, bit/s on the wire.
	Other int
	// Payload is the part of the pictures' packets that is picture, 0 to 1; 0 for not known.
	Payload float64
}

// Targeter turns estimates into targets: the bitrate first, and where that is at its floor the frame rate, so that each
// picture stays as good as the floor promises. Not safe for concurrent use; make it with [NewTargeter].
type Targeter struct {
	cfg    TargetConfig
	told   Target
	toldAt time.Time
	fpsAt  time.Time
	begun  bool
	// bounded tells that the bounds are new since the last target.
	bounded bool
}

// NewTargeter makes a targeter.
func NewTargeter(cfg TargetConfig) (*Targeter, error) {
	if cfg.Min < 0 || cfg.Max < cfg.Min || cfg.Max == 0 || cfg.FPS <= 0 {
		return nil, fmt.Errorf("rate: target of %d to %d bit/s at %d pictures a second: give 0 <= Min <= Max and a frame rate", cfg.Min, cfg.Max, cfg.FPS)
	}
	start := min(max(cfg.Start, cfg.Min), cfg.Max)
	return &Targeter{cfg: cfg, told: Target{Bitrate: start, FPS: cfg.FPS, Cause: CauseStart}}, nil
}

// Told is the last target.
func (t *Targeter) Told() Target { return t.told }

// Next takes a state and returns the target when it has to be told.
func (t *Targeter) Next(now time.Time, s State, u Use) (Target, bool) {
	if !t.begun {
		t.begun, t.toldAt, t.fpsAt = true, now, now
	}
	if s.Outage {
		return Target{}, false
	}
	payload := u.Payload
	if !(payload > 0.3 && payload <= 1) {
		payload = 0.93
	}
	free := max(float64(s.Estimate-u.Other), leastShare*float64(s.Estimate)) * payload
	floor := float64(t.cfg.Min)
	if s.Draining {
		// For a moment there is less than the path carries: pictures are left out rather than made worse.
		floor = min(max(floor, drainFloor*float64(s.Capacity)*payload), float64(t.cfg.Max))
	}
	wanted := Target{Bitrate: min(int(free), t.cfg.Max), FPS: t.fps(now, free, floor), Cause: s.Cause}
	wanted.Bitrate = max(wanted.Bitrate, t.cfg.Min*wanted.FPS/t.cfg.FPS)
	due := t.due(now, wanted)
	if t.bounded {
		wanted.Cause, t.bounded = CauseBounds, false
	}
	if !due {
		return Target{}, false
	}
	if wanted.FPS != t.told.FPS {
		t.fpsAt = now
	}
	t.told, t.toldAt = wanted, now
	return wanted, true
}

func (t *Targeter) due(now time.Time, wanted Target) bool {
	change := float64(wanted.Bitrate - t.told.Bitrate)
	switch told := float64(t.told.Bitrate); {
	case wanted.FPS != t.told.FPS, change < -fallPart*told:
		return true
	case change == 0:
		return false
	case t.bounded:
		return true
	case change > leapPart*told:
		return now.Sub(t.toldAt) >= leapTime
	default:
		return now.Sub(t.toldAt) >= riseTime
	}
}

// fps is the highest frame rate at which the bitrate keeps each picture at its floor.
func (t *Targeter) fps(now time.Time, free, floor float64) int {
	fps := 0
	for _, step := range steps {
		fps = t.cfg.FPS * step[0] / step[1]
		need := floor * float64(fps) / float64(t.cfg.FPS)
		if fps > t.told.FPS {
			if need *= upMargin; now.Sub(t.fpsAt) < upTime {
				continue
			}
		}
		if need <= free || fps <= leastFPS {
			break
		}
	}
	return max(fps, min(leastFPS, t.cfg.FPS), 1)
}
