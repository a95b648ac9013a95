package quality

import (
	"time"

	"streamstack/events"
)

const (
	// maxMoments is how many moments are told one by one; of the rest it is told how many there were.
	maxMoments = 8
	// fallShare is the part of a target below which the next one is a moment, and not one more step.
	fallShare = 0.75
)

// Kinds of decisions, as [events.DecisionData] has them.
const (
	kindTarget, kindKeyframe, kindDrop   = "target", "keyframe", "drop"
	kindOutage, kindResume, kindFallback = "outage", "resume", "fallback"
	kindBounds, kindRedundancy           = "bounds", "redundancy"
)

// Decisions is what a streamer decided about what it sent, over all events folded.
type Decisions struct {
	// Targets counts the targets that the encoder was given, TargetCauses the same by what moved them. TargetKbps are their bitrates
	// and TargetFPS their frame rates, LastKbps and LastFPS those of the last.
	Targets               uint64
	TargetCauses          map[string]uint64
	TargetKbps, TargetFPS Figures
	LastKbps, LastFPS     int
	// Keyframes counts the key frames that were asked for, by why. The encoder answers several with one: those that were made
	// are in [Summary].
	Keyframes map[string]uint64
	// Drops counts how often pictures were dropped, Pictures how many.
	Drops, Pictures uint64
	// Outages counts how often nothing was sent because nothing was heard of the client, Away is the time until it was heard again.
	Outages uint64
	Away    time.Duration
	// Fallbacks counts how often an encoder was replaced that had failed.
	Fallbacks uint64
	// Bounds counts how often the instance gave the bitrate other bounds.
	Bounds uint64
	// Redundant counts how often sound began to carry copies of its packets, Copied is the time that it did, where it has ended.
	Redundant uint64
	Copied    time.Duration
	// Other counts decisions of kinds that this version does not know.
	Other uint64
	// Moments are the first decisions that explain what somebody saw: drops, outages and their ends, fallbacks, other bounds, targets that
	// fell at once, and sound that began to carry copies. More is how many came after those.
	Moments []Moment
	More    uint64
	// Omitted is how many decisions the streamer did not tell.
	Omitted uint64
}

// Moment is one decision.
type Moment struct {
	events.DecisionData
	Time time.Time
	// BeforeKbps is the target before a fall, kbit/s; 0 in others.
	BeforeKbps int
}

// Empty tells whether nothing was decided.
func (d Decisions) Empty() bool {
	return d.Targets+d.Drops+d.Outages+d.Fallbacks+d.Bounds+d.Redundant+d.Other+d.Omitted+d.More == 0 && len(d.Keyframes)+len(d.Moments) == 0
}

// decisionFold is the state: of one client, or of all. The zero value is empty.
type decisionFold struct {
	at       events.Seq
	told     Decisions
	outSince time.Time // zero while the client is heard
	copying  time.Time // since when, zero while sound goes alone
}

func (f *decisionFold) apply(q events.QualityDecisions) {
	if q.Sequence <= f.at {
		return
	}
	f.at = q.Sequence
	f.told.Omitted += q.Omitted
	for _, d := range q.List {
		f.add(d)
	}
}

func (f *decisionFold) add(d events.DecisionData) {
	told, m := &f.told, Moment{DecisionData: d, Time: time.UnixMilli(d.UnixMs)}
	switch d.Kind {
	case kindTarget:
		if float64(d.TargetKbps) < fallShare*float64(told.LastKbps) {
			m.BeforeKbps = told.LastKbps
			f.moment(m)
		}
		told.Targets++
		countIn(&told.TargetCauses, d.Cause, 1)
		told.TargetKbps.add(float64(d.TargetKbps))
		told.TargetFPS.add(float64(d.FPS))
		told.LastKbps, told.LastFPS = d.TargetKbps, d.FPS
	case kindKeyframe:
		countIn(&told.Keyframes, d.Cause, 1)
	case kindDrop:
		told.Drops++
		told.Pictures += uint64(max(0, d.Pictures))
		f.moment(m)
	case kindOutage:
		told.Outages++
		told.Pictures += uint64(max(0, d.Pictures))
		f.outSince = m.Time
		f.moment(m)
	case kindResume:
		if !f.outSince.IsZero() {
			told.Away += min(max(0, m.Time.Sub(f.outSince)), maxInterval)
			f.outSince = time.Time{}
		}
		f.moment(m)
	case kindFallback:
		told.Fallbacks++
		f.moment(m)
	case kindBounds:
		told.Bounds++
		f.moment(m)
	case kindRedundancy:
		f.redundancy(m)
	default:
		told.Other++
	}
}

// redundancy takes a number of copies.
func (f *decisionFold) redundancy(m Moment) {
	switch {
	case m.Copies > 0 && f.copying.IsZero():
		f.told.Redundant++
		f.copying = m.Time
		f.moment(m)
	case m.Copies <= 0 && !f.copying.IsZero():
		f.told.Copied += min(max(0, m.Time.Sub(f.copying)), maxInterval)
		f.copying = time.Time{}
	}
}

func (f *decisionFold) moment(m Moment) {
	if len(f.told.Moments) >= maxMoments {
		f.told.More++
		return
	}
	f.told.Moments = append(f.told.Moments, m)
}

// countIn counts a cause, in a bounded number of them.
func countIn(in *map[string]uint64, cause string, n uint64) {
	if *in == nil {
		*in = map[string]uint64{}
	}
	if _, known := (*in)[cause]; !known && len(*in) >= maxCauses {
		cause = otherCause
	}
	(*in)[cause] += n
}
