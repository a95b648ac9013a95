package media

import "fmt"

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
