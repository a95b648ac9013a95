package media

import (
	"fmt"
	"time"

	"streamstack/streamer/frame"
)

// SetFrameRate sets how many pictures a second there are at most, from the next one on and without a keyframe, up to the rate of the
// configuration. Encoders see pictures at the even rate of the configuration (see feed), so each of them makes the same part of its bitrate:
// for kbps in all at fps pictures a second SetBitrate is to be told kbps × the configuration's rate / fps.
func (v *Video) SetFrameRate(fps int) error {
	if fps <= 0 {
		return fmt.Errorf("media: %d pictures a second: give at least 1", fps)
	}
	v.feed.cadence.SetRate(min(fps, v.fps))
	return nil
}

// Acted tells that the client has just done something: the next change is taken before its turn, and it is looked where the pointer is now.
// The rate stays what it is. It does not block.
func (v *Video) Acted() {
	v.feed.cadence.Acted(time.Now())
	select {
	case v.feed.acted <- struct{}{}:
	default:
	}
}

// Follow tells how pictures meet the display of the client: they are taken in step with it, where it refreshes as often as they come. What it
// tells holds for some seconds. It does not block.
func (v *Video) Follow(r frame.Rhythm) { v.feed.cadence.Follow(time.Now(), r) }
