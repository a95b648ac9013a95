// Package bitrate chooses the range in which congestion control may move the target bitrate of a picture.
//
// The rules are those of streamer-config.md, section 3, with our readings where the documentation of the original is loose: a
// limit holds for pictures up to and including its number of pixels, and the nearest frame rate wins. It is free of cgo, so that
// the configuration can be read and checked without GStreamer.
package bitrate

import (
	"errors"
	"fmt"
	"log/slog"
)

// Limit is one entry of `video.bitrate_limits` in streamer.json: a range for pictures up to a size and near a frame rate.
type Limit struct {
	// NumPixels is the largest picture the limit is for, width × height; the shape does not matter.
	NumPixels int `json:"num_pixels"`
	// FPS is the frame rate the limit is for, pictures per second.
	FPS int `json:"fps"`
	// MinKbps is the lower bound, kbit/s.
	MinKbps int `json:"min_kbps"`
	// MaxKbps is the upper bound, kbit/s; 0 means no upper bound.
	MaxKbps int `json:"max_kbps"`
}

// Pixels of the two sizes in the default table.
const (
	pixels720p  = 1280 * 720
	pixels1080p = 1920 * 1080
)

// Defaults returns the limits that hold when the configuration gives none. The slice is the caller's.
func Defaults() []Limit {
	return []Limit{
		{NumPixels: pixels720p, FPS: 30, MinKbps: 1000, MaxKbps: 3000},
		{NumPixels: pixels720p, FPS: 60, MinKbps: 2500, MaxKbps: 5000},
		{NumPixels: pixels1080p, FPS: 30, MinKbps: 3000, MaxKbps: 6000},
		{NumPixels: pixels1080p, FPS: 60, MinKbps: 3000, MaxKbps: 7000},
	}
}

// ErrInvalid is wrapped by the error of Validate.
var ErrInvalid = errors.New("bitrate: invalid limit")

// Validate tells whether the limit can be applied: no value is negative and the lower bound is not above the upper one.
func (l Limit) Validate() error {
	switch {
	case l.NumPixels < 0 || l.FPS < 0 || l.MinKbps < 0 || l.MaxKbps < 0:
		return fmt.Errorf("%w: num_pixels %d, fps %d, min_kbps %d, max_kbps %d: use no negative value",
			ErrInvalid, l.NumPixels, l.FPS, l.MinKbps, l.MaxKbps)
	case l.MaxKbps > 0 && l.MinKbps > l.MaxKbps:
		return fmt.Errorf("%w: min_kbps %d is above max_kbps %d: swap them or leave max_kbps out", ErrInvalid, l.MinKbps, l.MaxKbps)
	}
	return nil
}

// Clamp returns the bitrate nearest to kbps (kbit/s) inside the limit.
func (l Limit) Clamp(kbps int) int {
	if l.MaxKbps > 0 {
		kbps = min(kbps, l.MaxKbps)
	}
	return max(kbps, l.MinKbps)
}

// Table is a checked, immutable set of limits; the zero value is the default table. It is safe for concurrent use.
type Table struct{ limits []Limit }

// NewTable takes the limits of a configuration. Invalid ones are logged and left out, as a faulty limit must never keep a
// streamer from starting; when none is left the default table applies, and is never mixed with given limits.
func NewTable(log *slog.Logger, limits []Limit) Table {
	var t Table
	for i, l := range limits {
		if err := l.Validate(); err != nil {
			log.Warn("ignoring an entry of video.bitrate_limits", "index", i, "error", err)
			continue
		}
		t.limits = append(t.limits, l)
	}
	return t
}

// Select returns the limit for a display of width × height pixels at fps pictures per second; odd sizes count as the next even
// ones, because that is what is encoded.
//
// Of the limits whose pixels suffice those with the fewest are taken (of all, when the picture is larger than every limit, those
// with the most); among them the nearest frame rate wins, and on a tie the higher one.
func (t Table) Select(width, height, fps int) Limit {
	limits := t.limits
	if len(limits) == 0 {
		limits = Defaults()
	}
	pixels := even(width) * even(height)
	best := limits[0]
	for _, l := range limits[1:] {
		if better(l, best, pixels, fps) {
			best = l
		}
	}
	return best
}

// better tells whether a fits the picture better than b. Equal ones do not, so that the first of the file wins.
func better(a, b Limit, pixels, fps int) bool {
	if a.NumPixels != b.NumPixels {
		aHolds, bHolds := a.NumPixels >= pixels, b.NumPixels >= pixels
		if aHolds != bHolds {
			return aHolds
		}
		if aHolds {
			return a.NumPixels < b.NumPixels
		}
		return a.NumPixels > b.NumPixels
	}
	da, db := distance(a.FPS, fps), distance(b.FPS, fps)
	if da != db {
		return da < db
	}
	return a.FPS > b.FPS
}

func even(n int) int { return n + n&1 }

func distance(a, b int) int { return max(a-b, b-a) }
