package peer

import (
	"slices"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"

	"streamstack/streamer/frame"
)

const (
	videoClock = 90_000 // RTP ticks per second of every video codec (RFC 6184, RFC 7741, RFC 9628, AV1)
	audioClock = 48_000 // of Opus, whatever its sampling rate (RFC 7587, section 4.1)
)

// Static choices within the dynamic range of payload types (RFC 3551, section 3).
const (
	opusPayloadType = 111
	vp8PayloadType  = 96
	vp9PayloadType  = 98
	h264PayloadType = 102
	av1PayloadType  = 104
)

// videoCodec is all the peer has to know of a video codec: adding one is adding a row to videoCodecs.
type videoCodec struct {
	codec frame.Codec
	// fmtp are the parameter sets offered, best first, each with a payload type of its own.
	fmtp []string
	// firstPayloadType is that of the first set; the others follow.
	firstPayloadType webrtc.PayloadType
	payloader        func() rtp.Payloader
}

var videoCodecs = []videoCodec{
	{
		codec: frame.H264,
		// Constrained baseline first: every browser decodes it. Plain baseline is what older ones answer with.
		fmtp: []string{
			"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
			"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
		},
		firstPayloadType: h264PayloadType,
		payloader:        func() rtp.Payloader { return &h264Payloader{} },
	},
	{
		codec:            frame.VP8,
		fmtp:             []string{""},
		firstPayloadType: vp8PayloadType,
		payloader:        func() rtp.Payloader { return &codecs.VP8Payloader{EnablePictureID: true} },
	},
	{
		codec:            frame.VP9,
		fmtp:             []string{"profile-id=0"}, // 8 bits, 4:2:0 (RFC 9628, section 6.1)
		firstPayloadType: vp9PayloadType,
		payloader:        func() rtp.Payloader { return &codecs.VP9Payloader{} },
	},
	{
		codec:            frame.AV1,
		fmtp:             []string{""}, // the defaults: main profile, level 3.1 (RTP Payload Format For AV1, section 7.1)
		firstPayloadType: av1PayloadType,
		payloader:        func() rtp.Payloader { return av1Payloader{} },
	},
}

// Supported tells whether this package can packetise a video codec.
func Supported(codec frame.Codec) bool {
	return findVideoCodec(codec) != nil
}

func findVideoCodec(codec frame.Codec) *videoCodec {
	i := slices.IndexFunc(videoCodecs, func(c videoCodec) bool { return c.codec == codec })
	if i < 0 {
		return nil
	}
	return &videoCodecs[i]
}

// rank orders what we can encode by what the client prefers. Nothing is dropped: a client that prefers AV1 and is not
// served it shall still get a picture.
func rank(ours, preferred []frame.Codec) []frame.Codec {
	ranked := make([]frame.Codec, 0, len(ours))
	for _, codec := range slices.Concat(preferred, ours) {
		if slices.Contains(ours, codec) && !slices.Contains(ranked, codec) {
			ranked = append(ranked, codec)
		}
	}
	return ranked
}

// videoParameters are the codecs of the offer in the order of the codecs given.
func videoParameters(ranked []frame.Codec) []webrtc.RTPCodecParameters {
	var params []webrtc.RTPCodecParameters
	for _, name := range ranked {
		codec := findVideoCodec(name)
		for i, fmtp := range codec.fmtp {
			params = append(params, webrtc.RTPCodecParameters{
				RTPCodecCapability: webrtc.RTPCodecCapability{
					MimeType:    "video/" + string(name),
					ClockRate:   videoClock,
					SDPFmtpLine: fmtp,
					RTCPFeedback: []webrtc.RTCPFeedback{
						{Type: webrtc.TypeRTCPFBTransportCC},
						{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
						{Type: webrtc.TypeRTCPFBNACK},
						{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
					},
				},
				PayloadType: codec.firstPayloadType + webrtc.PayloadType(i),
			})
		}
	}
	return params
}

// opusParameters is the one audio codec: stereo. In-band correction is offered, and does nothing in the low-delay mode: red.go says what does.
func opusParameters() webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType:     webrtc.MimeTypeOpus,
			ClockRate:    audioClock,
			Channels:     2,
			SDPFmtpLine:  "minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1",
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}},
		},
		PayloadType: opusPayloadType,
	}
}

// codecOf names the codec of negotiated parameters; ok is false for one we cannot send as negotiated.
func codecOf(capability webrtc.RTPCodecCapability) (codec frame.Codec, ok bool) {
	_, name, _ := strings.Cut(capability.MimeType, "/")
	for _, known := range videoCodecs {
		if !strings.EqualFold(name, string(known.codec)) {
			continue
		}
		// Our packets are of mode 1 (fragments and aggregates); a client limited to mode 0 could not read them
		// (RFC 6184, section 6.2).
		return known.codec, known.codec != frame.H264 || fmtpValue(capability.SDPFmtpLine, "packetization-mode") == "1"
	}
	return "", false
}

func fmtpValue(line, key string) string {
	for parameter := range strings.SplitSeq(line, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, key) {
			return value
		}
	}
	return ""
}
