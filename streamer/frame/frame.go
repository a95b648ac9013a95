// Package frame holds what travels from the encoders to the peers: encoded pictures and sound.
//
// It is a package of its own, free of cgo, so that the peer (and its tests under the race detector) does not need GStreamer.
package frame

import (
	"errors"
	"time"
)

// ErrDisplay is wrapped by errors of a capture that are the display's fault: another encoder would not help.
var ErrDisplay = errors.New("display")

// Codec is a media codec by its name in SDP (RFC 6184, RFC 7741, RFC 9628, RFC 7587), as in `a=rtpmap`.
type Codec string

// The codecs a streamer may offer.
const (
	H264 Codec = "H264"
	VP8  Codec = "VP8"
	VP9  Codec = "VP9"
	AV1  Codec = "AV1"
	Opus Codec = "opus"
)

// Video is one encoded picture. Data is owned by the receiver.
type Video struct {
	Data []byte
	// Keyframe tells that the picture can be decoded on its own; H.264 carries SPS and PPS with it.
	Keyframe bool
	// CapturedAt is when the screen was read, on this machine's clock (with Go's monotonic reading).
	CapturedAt time.Time
	// PTS is the capture time on the pipeline's clock, which never jumps; it is what RTP timestamps are made of.
	PTS time.Duration
	// Still tells that nothing on the screen had changed since the picture before: it sharpens that one, or tells that the stream lives.
	// However long it is after the other, the picture has not been frozen.
	Still bool
	// ChangedAt is when what the picture shows began to differ from the one before; zero where that is not known. Of a key frame that was
	// asked for while nothing changed it is when the screen was read.
	ChangedAt time.Time
	// Stages are what the picture took until here; zero where that is not known.
	Stages Stages
}

// Stages are the parts of the time from the screen to the encoded picture.
type Stages struct {
	// Capture is reading the screen, Convert the wait for the encoder's thread and the conversion to what it takes, Encode the encoder
	// itself with what stands behind it.
	Capture, Convert, Encode time.Duration
}

// Rhythm is how pictures meet the refreshes of the display that they are shown on, as the client sees it.
type Rhythm struct {
	// Period is the time between two refreshes.
	Period time.Duration
	// Lead is how long before a refresh pictures are ready, on the mean around the period: from 0 to less than Period.
	Lead time.Duration
	// Spread is the standard deviation of Lead, around the period; 0 or more.
	Spread time.Duration
}

// Audio is one Opus packet. Data is owned by the receiver.
type Audio struct {
	Data       []byte
	CapturedAt time.Time
	// PTS as in Video, on the same clock.
	PTS time.Duration
	// Duration is the length of sound in the packet: 10 ms.
	Duration time.Duration
}
