package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// QualityStream holds the samples of what clients were sent. It is apart from [SessionsStream]: samples come every
	// two seconds from every client, are of use for days and not for months, and no decision rests on them.
	QualityStream = "QUALITY"
	// AllQuality takes all samples in.
	AllQuality = qualityPrefix + "*.*"
	// Sample is the event that comes every [QualityEvery].
	Sample Name = "sample"
	// DefaultQualityRetention is the lifetime of samples where none is set.
	DefaultQualityRetention = 7 * 24 * time.Hour
	// QualityEvery is the time between two samples of one client.
	QualityEvery = 2 * time.Second

	qualityPrefix = "quality."
)

// QualityType is the ce-type of the newest version of a sample.
func QualityType() string { return newestOf(samplePrefix, Sample) }

// ErrQuality is returned for an event that is no sample to be believed.
var ErrQuality = errors.New("events: not a quality sample")

// QualityData is one sample: what a streamer sent to a client, and what it heard of it, within IntervalMs up to the
// event's time. All counts are of that interval.
type QualityData struct {
	Peer PeerID `json:"peer"`
	// IntervalMs is the time that the sample is about, in milliseconds; about 2000.
	IntervalMs int64   `json:"interval_ms"`
	FPS        float64 `json:"fps"`         // pictures sent a second
	VideoKbps  int     `json:"video_kbps"`  // what was sent, without repeats and headers, kbit/s
	AudioKbps  int     `json:"audio_kbps"`  // likewise
	TargetKbps int     `json:"target_kbps"` // what the encoder was told to aim at, at the end of the interval, kbit/s
	// RTTMs is the round trip time that the client's last report gave (RFC 3550, section 6.4.1), in milliseconds; absent
	// before the first one.
	RTTMs *float64 `json:"rtt_ms,omitempty"`
	// Loss is the part of the video packets that the last report calls lost, 0 to 1.
	Loss float64 `json:"loss"`
	// EncodeMs is the mean time from reading the screen to having the encoded picture, in milliseconds; absent where no
	// picture came.
	EncodeMs *float64 `json:"encode_ms,omitempty"`
	// EncodeP95Ms is the 95th percentile of the same.
	EncodeP95Ms *float64 `json:"encode_p95_ms,omitempty"`
	// Stages are the parts of EncodeMs; absent where they are not known.
	Stages        *StagesData `json:"stages,omitempty"`
	Frames        uint64      `json:"frames"`         // pictures sent
	FramesDropped uint64      `json:"frames_dropped"` // pictures made and not sent
	// Keyframes counts the key frames among Frames by why they were made: start, pli, fir, overflow, outage, or encoder for
	// one that nobody had asked for.
	Keyframes map[string]uint64 `json:"keyframes,omitempty"`
	// Freezes counts the times that the picture began to stand still because nothing was sent: a gap after a picture of
	// more than two frame intervals and 100 ms. What the network does to pictures that were sent shows in the loss, the
	// NACKs and the PLIs.
	Freezes      uint64 `json:"freezes"`
	FrozenMs     int64  `json:"frozen_ms"`     // how long it stood still, from the picture before each gap, in milliseconds
	NACKs        uint64 `json:"nacks"`         // packets that the client asked for again (RFC 4585, section 6.2.1)
	PLIs         uint64 `json:"plis"`          // its requests for a key frame (RFC 4585, section 6.3.1)
	FIRs         uint64 `json:"firs"`          // and those of the other kind (RFC 5104, section 4.3.1)
	VideoPackets uint64 `json:"video_packets"` // sent, without repeats
	VideoBytes   uint64 `json:"video_bytes"`   // in them, without headers
	AudioPackets uint64 `json:"audio_packets"` // sent, without repeats
	AudioBytes   uint64 `json:"audio_bytes"`   // in them, without headers
	// Inputs counts the messages of the control channel, such as keys and movements.
	Inputs uint64 `json:"inputs,omitempty"`
	// InputsDropped counts those among them that nothing came of, by why: invalid (the contract does not allow them), unknown (of a
	// type that the streamer does not know), flood (more than a client may send), late (the display did not take them in time), or
	// nowhere (there is no such device).
	InputsDropped map[string]uint64 `json:"inputs_dropped,omitempty"`
	// Missed is how many samples before this one the log did not take. They are not sent later.
	Missed uint64 `json:"missed,omitempty"`
}

// StagesData are mean times of a picture's way from the screen to its encoded form, in milliseconds.
type StagesData struct {
	CaptureMs float64 `json:"capture_ms"` // reading the screen
	ConvertMs float64 `json:"convert_ms"` // the wait for the encoder's thread, and the conversion to what the encoder takes
	EncodeMs  float64 `json:"encode_ms"`  // the encoder itself, with what stands behind it
}

// QualitySample is a sample with its place.
type QualitySample struct {
	QualityData
	Region   Region
	Session  SessionID
	Sequence Seq // in [QualityStream]
	// Time is when the interval ended, on the streamer's clock.
	Time time.Time
}

// QualityFilter takes in the samples of one session. An empty region or session takes in all of them.
func QualityFilter(r Region, id SessionID) string {
	if r == "" {
		r = "*"
	}
	if id == "" {
		id = "*"
	}
	return qualityPrefix + string(r) + "." + string(id)
}

// NewQualityDraft makes a draft of a sample.
func NewQualityDraft(r Region, id SessionID, d QualityData) Draft {
	return Draft{Subject: QualityFilter(r, id), Source: SourceOf(Streamer), Type: QualityType(), Data: d}
}

// Quality reads a sample. Whose it is says the subject alone. What is quarantined, of another type or not to be decoded
// is an [ErrQuality]; readers of many samples go on with the next.
func (e Event) Quality() (QualitySample, error) {
	s := QualitySample{Sequence: e.Sequence, Time: e.Time}
	var err error
	if s.Region, s.Session, err = e.ofQuality(QualityType()); err != nil {
		return s, err
	}
	if err := e.Decode(&s.QualityData); err != nil {
		return s, fmt.Errorf("%w: %w", ErrQuality, err)
	}
	return s, nil
}

// qualityStream is the configuration of [QualityStream]. Nothing is republished: whoever wants samples live has a
// consumer, and a gateway's tail stays free of them.
func qualityStream(retention time.Duration) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: QualityStream, Description: "samples of what clients were sent, every 2 s",
		Subjects: []string{AllQuality}, MaxAge: retention, AllowDirect: true, MaxMsgSize: maxSample,
		// Samples differ in some figures only.
		Compression: jetstream.S2Compression,
	}
}

// maxSample is the largest sample with its headers, in bytes; one has about a thousand.
const maxSample = 8 << 10
