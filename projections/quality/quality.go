// Package quality folds the events of the QUALITY stream into what people are told of a stream: how it was
// ([Summary]), how it went ([Series]), and what the streamer decided about it ([Decisions]).
//
// A [Fold] is pure, as every projection: the same samples in the order of their sequences give the same state, whenever it
// is asked for and however often a sample is delivered. Its memory is bounded, however long a session streams: figures are
// kept in histograms of a relative precision of 2 %, and a series gets coarser as it grows.
package quality

import (
	"time"

	"streamstack/events"
)

const (
	// SlowFPS is the rate below which people call a picture choppy, in pictures a second.
	SlowFPS = 20
	// maxCauses bounds how many causes of key frames are told apart, should a newer streamer have more of them.
	maxCauses = 16
	// otherCause takes the rest in.
	otherCause = "other"
)

// Summary says how a stream was, over all samples folded.
type Summary struct {
	Samples int
	// Begun and Ended are when the first interval began and the last one ended, zero without samples. Measured is the time
	// that samples are about: less than what is between, where samples are missing.
	Begun, Ended time.Time
	Measured     time.Duration

	FPS, VideoKbps, AudioKbps, TargetKbps Figures
	// RTTMs and EncodeMs are in milliseconds, without the samples that have none. Loss is 0 to 1.
	RTTMs, EncodeMs, Loss Figures
	// CaptureStageMs, ConvertStageMs and EncodeStageMs are the parts of EncodeMs, without the samples that have none.
	CaptureStageMs, ConvertStageMs, EncodeStageMs Figures

	// Slow is the time of the samples with less than [SlowFPS].
	Slow    time.Duration
	Freezes uint64
	Frozen  time.Duration
	// Keyframes counts key frames by why they were made.
	Keyframes map[string]uint64

	Frames, FramesDropped  uint64
	NACKs, PLIs, FIRs      uint64
	VideoBytes, AudioBytes uint64
	// Missed is how many samples the log did not take.
	Missed uint64
}

// Fold is the state: of a session, or of one of its clients, as its owner chooses the samples. It is not safe for
// concurrent use. Make it with [New].
type Fold struct {
	at      events.Seq
	summary Summary
	series  Series
}

// New is the empty state.
func New() *Fold { return &Fold{summary: Summary{Keyframes: map[string]uint64{}}} }

// Apply folds one sample. One that was folded before, or is older than one that was, changes nothing.
func (f *Fold) Apply(s events.QualitySample) {
	if s.Sequence <= f.at {
		return
	}
	f.at = s.Sequence
	f.summary.add(s)
	f.series.add(s)
}

// At is the sequence folded last.
func (f *Fold) At() events.Seq { return f.at }

// Summary is how the stream was. Its map is the fold's: it must not be changed, and changes with the next sample.
func (f *Fold) Summary() Summary { return f.summary }

// Series is how the stream went.
func (f *Fold) Series() []Point { return f.series.Points() }

func (s *Summary) add(q events.QualitySample) {
	interval := interval(q)
	if s.Samples == 0 {
		s.Begun = q.Time.Add(-interval)
	}
	s.Samples++
	s.Ended = q.Time
	s.Measured += interval
	if q.FPS < SlowFPS {
		s.Slow += interval
	}
	s.FPS.add(q.FPS)
	s.VideoKbps.add(float64(q.VideoKbps))
	s.AudioKbps.add(float64(q.AudioKbps))
	s.TargetKbps.add(float64(q.TargetKbps))
	s.Loss.add(q.Loss)
	if q.RTTMs != nil {
		s.RTTMs.add(*q.RTTMs)
	}
	if q.EncodeMs != nil {
		s.EncodeMs.add(*q.EncodeMs)
	}
	if q.Stages != nil {
		s.CaptureStageMs.add(q.Stages.CaptureMs)
		s.ConvertStageMs.add(q.Stages.ConvertMs)
		s.EncodeStageMs.add(q.Stages.EncodeMs)
	}
	for cause, n := range q.Keyframes {
		countIn(&s.Keyframes, cause, n)
	}
	s.Freezes += q.Freezes
	s.Frozen += time.Duration(max(0, q.FrozenMs)) * time.Millisecond
	s.Frames += q.Frames
	s.FramesDropped += q.FramesDropped
	s.NACKs += q.NACKs
	s.PLIs += q.PLIs
	s.FIRs += q.FIRs
	s.VideoBytes += q.VideoBytes
	s.AudioBytes += q.AudioBytes
	s.Missed += q.Missed
}

// maxInterval is the longest time that a sample is believed to be about; one of a streamer that was stopped may be longer.
const maxInterval = 24 * time.Hour

// interval is what a sample is about, whatever it claims.
func interval(q events.QualitySample) time.Duration {
	return time.Duration(min(max(0, q.IntervalMs), maxInterval.Milliseconds())) * time.Millisecond
}
