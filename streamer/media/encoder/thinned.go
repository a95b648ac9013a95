package encoder

import "slices"

// timed are the encoders that count time: they take the pictures' time stamps into account, so that they make the bitrate they
// are told whatever the number of pictures. All others spend the same on each picture, a part of the bitrate by the frame rate of the
// format that was negotiated.
var timed = []string{"vp8enc", "vp9enc", "av1enc"}

// Thinned is the bitrate that an encoder must be told, in kbit/s, for kbps in all at fps pictures a second, where its format says
// full of them.
func Thinned(element string, kbps, fps, full int) int {
	if fps <= 0 || full <= fps || slices.Contains(timed, element) {
		return kbps
	}
	return kbps * full / fps
}
