package linktest

import (
	"time"

	"streamstack/streamer/rate"
)

// Frame is a picture of a call.
type Frame struct {
	Captured time.Duration
	// Shown is when it could be shown: it and all before it back to a key frame had arrived; 0 for never.
	Shown     time.Duration
	Key       bool
	packets   int
	got       int
	completed time.Duration
}

// Result is how a call went.
type Result struct {
	Frames  []Frame
	Points  []Point
	Dropped int // pictures
	Keys    int
	Probes  int
	// Padding is in bytes.
	Padding int
}

// Point is a moment, every 20 ms.
type Point struct {
	At        time.Duration
	State     rate.State
	Target    rate.Target
	Delivered int // bytes that arrived since the point before
}

// shown finds when each picture could be shown.
func (c *Call) shown() []Frame {
	var before time.Duration
	whole := false
	for i := range c.frames {
		f := &c.frames[i]
		if f.packets < 0 {
			continue // dropped before it was packed
		}
		whole = (whole || f.Key) && f.got >= f.packets
		if whole {
			before = max(before, f.completed)
			f.Shown = before
		}
	}
	return c.frames
}
