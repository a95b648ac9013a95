package quality

import (
	"slices"
	"time"

	"streamstack/events"
)

// maxPoints is how many points a series has at most: more than a line of a terminal has characters.
const maxPoints = 128

// Point is a part of a stream's time: the mean of what is wanted high, the worst of what is wanted low.
type Point struct {
	From, To time.Time
	Samples  int
	// FPS and VideoKbps are means of the samples.
	FPS, VideoKbps float64
	// RTTMs is the longest round trip in milliseconds, negative where none was reported. Loss is the greatest, 0 to 1.
	RTTMs, Loss float64
	Freezes     uint64
}

// Series is how a stream went, in points of equally many samples. When it is full, each two points become one.
type Series struct {
	points []Point
	per    int // samples of a full point; 0 means 1
}

// Points are the series so far, oldest first; the slice is the caller's.
func (s *Series) Points() []Point { return slices.Clone(s.points) }

func (s *Series) add(q events.QualitySample) {
	p := Point{
		From: q.Time.Add(-interval(q)), To: q.Time, Samples: 1, FPS: max(0, q.FPS), VideoKbps: max(0, float64(q.VideoKbps)),
		RTTMs: -1, Loss: min(max(0, q.Loss), 1), Freezes: q.Freezes,
	}
	if q.RTTMs != nil {
		p.RTTMs = max(0, *q.RTTMs)
	}
	s.per = max(s.per, 1)
	if n := len(s.points); n > 0 && s.points[n-1].Samples < s.per {
		s.points[n-1] = merge(s.points[n-1], p)
		return
	}
	if len(s.points) == maxPoints {
		s.points, s.per = halve(s.points), 2*s.per
	}
	s.points = append(s.points, p)
}

// halve makes one point of each two.
func halve(points []Point) []Point {
	half := make([]Point, 0, maxPoints)
	for pair := range slices.Chunk(points, 2) {
		p := pair[0]
		for _, next := range pair[1:] {
			p = merge(p, next)
		}
		half = append(half, p)
	}
	return half
}

// merge makes one point of a and b, which follows it.
func merge(a, b Point) Point {
	n := float64(a.Samples + b.Samples)
	mean := func(x, y float64) float64 { return (x*float64(a.Samples) + y*float64(b.Samples)) / n }
	return Point{
		From: a.From, To: b.To, Samples: a.Samples + b.Samples,
		FPS: mean(a.FPS, b.FPS), VideoKbps: mean(a.VideoKbps, b.VideoKbps),
		RTTMs: max(a.RTTMs, b.RTTMs), Loss: max(a.Loss, b.Loss), Freezes: a.Freezes + b.Freezes,
	}
}

// Resample merges neighbours until there are at most n points, for a line of n characters. It returns points itself where
// they are few enough.
func Resample(points []Point, n int) []Point {
	if n < 1 || len(points) <= n {
		return points
	}
	out := make([]Point, 0, n)
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		p := part[0]
		for _, next := range part[1:] {
			p = merge(p, next)
		}
		out = append(out, p)
	}
	return out
}
