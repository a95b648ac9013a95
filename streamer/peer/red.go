package peer

import (
	"strconv"
	"strings"
	"time"

	"github.com/pion/webrtc/v3"
)

// Sound that is lost cannot be asked for again: what comes after a round trip is too late. Opus can carry a coarse copy of the packet
// before within each packet (in-band FEC, RFC 6716, section 2.1.7), but in its speech modes only, and those would cost the low delay and
// the quality of music. So the copies are whole packets beside the newest one: RED (RFC 2198), which browsers with libwebrtc
// take. It is used while packets are being lost, and not before: each copy takes as much as the sound itself.

const (
	redPayloadType = 63
	// redAt is the loss from which each packet carries the one before, redMoreAt that from which it carries the two before: at 5 %, one
	// packet in four hundred and one in eight thousand are then lost for good.
	redAt, redMoreAt = 0.01, 0.05
	// redHold is how long what was lost last counts: losses come in clusters.
	redHold = 5 * time.Second
	// redShare is the part of the path that copies may take. On a narrow one the picture needs it more.
	redShare = 0.2
	// maxCopies is the most packets that one carries beside its own.
	maxCopies = 2
	// A block's length has 10 bits, its distance in time 14 (RFC 2198, section 3).
	maxRedBlock, maxRedOffset = 1<<10 - 1, 1<<14 - 1
	redBlockHeader            = 4
)

// redParameters are RED of the one audio codec (RFC 2198, section 5: the payload types that may be in it).
func redParameters() webrtc.RTPCodecParameters {
	opus := strconv.Itoa(opusPayloadType)
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mimeTypeRed, ClockRate: audioClock, Channels: 2, SDPFmtpLine: opus + "/" + opus,
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}},
		},
		PayloadType: redPayloadType,
	}
}

const mimeTypeRed = "audio/red"

// chooseAudio finds Opus among what was negotiated, and the payload type of RED of it, 0 for none. A client that has neither gets no
// sound.
func chooseAudio(negotiated []webrtc.RTPCodecParameters) (opus webrtc.RTPCodecParameters, red uint8, ok bool) {
	for _, c := range negotiated {
		if strings.EqualFold(c.MimeType, webrtc.MimeTypeOpus) {
			opus, ok = c, true
			break
		}
	}
	for _, c := range negotiated {
		first, _, _ := strings.Cut(c.SDPFmtpLine, "/")
		if ok && strings.EqualFold(c.MimeType, mimeTypeRed) && first == strconv.Itoa(int(opus.PayloadType)) {
			return opus, uint8(c.PayloadType), true
		}
	}
	return opus, 0, ok
}

// redundancy puts copies of the packets before into packets of sound. It is used by one goroutine. The zero value makes none.
type redundancy struct {
	payloadType uint8 // of RED; 0 where the client does not take it
	copies      int   // how many each packet carries
	sent        []soundBlock
}

// soundBlock is one packet of sound.
type soundBlock struct {
	timestamp uint32
	data      []byte
}

// payload returns what is to be sent of the newest packet of sound, of at most room bytes, and the payload type of that: the packet's own
// where it goes alone.
func (r *redundancy) payload(own uint8, timestamp uint32, data []byte, room int) ([]byte, uint8) {
	if r.payloadType == 0 {
		return data, own
	}
	defer r.keep(soundBlock{timestamp, data})
	blocks := r.blocks(timestamp, room-1-len(data))
	if len(blocks) == 0 {
		return data, own
	}
	const more = 0x80 // another block follows
	var header, body []byte
	for _, b := range blocks {
		bits := (timestamp-b.timestamp)<<10 | uint32(len(b.data))
		header = append(header, more|own, byte(bits>>16), byte(bits>>8), byte(bits))
		body = append(body, b.data...)
	}
	header = append(header, own)
	return append(append(header, body...), data...), r.payloadType
}

// keep remembers the newest packet.
func (r *redundancy) keep(b soundBlock) {
	if len(r.sent) == maxCopies {
		r.sent = append(r.sent[:0], r.sent[1:]...)
	}
	r.sent = append(r.sent, b)
}

// blocks are the packets before that fit, oldest first; those without a gap before the newest.
func (r *redundancy) blocks(timestamp uint32, room int) []soundBlock {
	first := len(r.sent)
	for ; first > 0 && len(r.sent)-first < r.copies; first-- {
		b := r.sent[first-1]
		if offset := timestamp - b.timestamp; offset == 0 || offset > maxRedOffset || len(b.data) > maxRedBlock {
			break
		}
		if room -= redBlockHeader + len(b.data); room < 0 {
			break
		}
	}
	return r.sent[first:]
}

// soundLoss decides how many copies there are to be. The zero value has seen no loss.
type soundLoss struct {
	worst float64
	at    time.Time // when that was
	// before is how many copies there were last.
	before int
}

// RedundancyCause is why sound has as many copies as it has.
type RedundancyCause string

const (
	// RedundancyLoss is that packets are being lost.
	RedundancyLoss RedundancyCause = "loss"
	// RedundancyCalm is that none, or fewer, were lost of late.
	RedundancyCalm RedundancyCause = "calm"
	// RedundancyNarrow is that the path has no room for as many as its loss asks for.
	RedundancyNarrow RedundancyCause = "narrow"
)

// copies takes the loss of late, 0 to 1, and what the path is thought to carry, bit/s.
func (s *soundLoss) copies(now time.Time, loss float64, estimate int) (n int, why RedundancyCause) {
	if loss >= s.worst || now.Sub(s.at) > redHold {
		s.worst, s.at = loss, now
	}
	why = RedundancyCalm
	switch {
	case s.worst >= redMoreAt:
		n, why = 2, RedundancyLoss
	case s.worst >= redAt:
		n, why = 1, RedundancyLoss
	}
	switch room := int(redShare*float64(estimate)) / soundBits; {
	case room < n:
		n, why = room, RedundancyNarrow
	case n < s.before:
		why = RedundancyCalm
	}
	s.before = n
	return n, why
}
