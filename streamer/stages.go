package streamer

import (
	"sync"
	"time"

	"streamstack/events"
	"streamstack/streamer/frame"
)

// stageTimes adds up what pictures took at each stage. It is safe for concurrent use, and never waits.
type stageTimes struct {
	mu  sync.Mutex
	sum frame.Stages
	n   int
}

// add takes a picture that has just been encoded.
func (s *stageTimes) add(f frame.Video) {
	if f.Stages == (frame.Stages{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Capture += f.Stages.Capture
	s.sum.Convert += f.Stages.Convert
	s.sum.Encode += f.Stages.Encode
	s.n++
}

// take returns the means since it was called last, nil without any.
func (s *stageTimes) take() *events.StagesData {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		return nil
	}
	mean := func(sum time.Duration) float64 { return milliseconds(sum / time.Duration(s.n)) }
	d := &events.StagesData{CaptureMs: mean(s.sum.Capture), ConvertMs: mean(s.sum.Convert), EncodeMs: mean(s.sum.Encode)}
	s.sum, s.n = frame.Stages{}, 0
	return d
}
