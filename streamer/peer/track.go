package peer

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"

	"streamstack/streamer/frame"
)

const (
	// mtu is the size of an RTP packet, which with SRTP, UDP and IP fits through about every path.
	mtu = 1200
	// headerRoom is what the RTP header (12 bytes) and our extensions take of it at most.
	headerRoom = 12 + 4 + 9 + 4 + 4 + 3 + 4
	// captureTimeInterval is how often audio tells its capture time; the receiver interpolates.
	captureTimeInterval = time.Second
)

// noPlayoutDelay asks the receiver to show each picture on arrival: minimum and maximum 0, 12 bits each. The field has
// no constructor in pion/rtp.
//
// A maximum of 30 to 50 ms would have Chromium pace pictures to its display's rhythm (blink's LowLatencyVideoRendererAlgorithm) instead of
// showing the later of two that come within one of its frames. Measured at 720p60 (2026-11-22, one run each): it shows 43 to 47 pictures a
// second at 28 to 31 ms, where 0 shows 56 at 20 ms.
var noPlayoutDelay = []byte{0, 0, 0}

// track is one stream we send. It implements webrtc.TrackLocal. Only the sender's goroutine writes to it.
type track struct {
	id, stream string
	kind       webrtc.RTPCodecType
	// choose picks from the negotiated video codecs.
	choose  func([]webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, error)
	counter *streamCounter
	packets atomic.Pointer[packetizer] // nil until the codec is negotiated
}

// packetizer returns nil while there is nothing negotiated to send to.
func (t *track) packetizer() *packetizer { return t.packets.Load() }

func (t *track) ID() string                { return t.id }
func (t *track) RID() string               { return "" }
func (t *track) StreamID() string          { return t.stream }
func (t *track) Kind() webrtc.RTPCodecType { return t.kind }

// Bind implements webrtc.TrackLocal: pion calls it once both descriptions are there.
func (t *track) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	chosen, payloader, err := t.negotiate(ctx.CodecParameters())
	if err != nil || payloader == nil {
		return chosen, err
	}
	codec, _ := codecOf(chosen.RTPCodecCapability)
	p := &packetizer{
		codec: codec, writer: ctx.WriteStream(), payloader: payloader, counter: t.counter,
		header: rtp.Header{
			Version: 2, PayloadType: uint8(chosen.PayloadType), SSRC: uint32(ctx.SSRC()),
			SequenceNumber: uint16(rand.Uint32()), //nolint:gosec // RFC 3550 wants it random, not secret: SRTP encrypts
		},
		base: rand.Uint32(), //nolint:gosec // as above
		rate: int64(chosen.ClockRate),
	}
	for _, extension := range ctx.HeaderExtensions() {
		p.extensions = append(p.extensions, interceptor.RTPHeaderExtension{ID: extension.ID, URI: extension.URI})
	}
	p.captureTime = extensionID(p.extensions, absCaptureTimeURI)
	if t.kind == webrtc.RTPCodecTypeVideo {
		p.playoutDelay = extensionID(p.extensions, playoutDelayURI)
		p.marker = true
	} else {
		_, p.red.payloadType, _ = chooseAudio(ctx.CodecParameters())
	}
	t.packets.Store(p)
	return chosen, nil
}

func (t *track) negotiate(common []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, rtp.Payloader, error) {
	if t.kind == webrtc.RTPCodecTypeVideo {
		chosen, err := t.choose(common)
		if err != nil {
			return chosen, nil, err
		}
		codec, _ := codecOf(chosen.RTPCodecCapability)
		return chosen, findVideoCodec(codec).payloader(), nil
	}
	opus, _, ok := chooseAudio(common)
	if !ok {
		// A client without sound still gets its picture, so this is no error; pion wants parameters all the same.
		return opusParameters(), nil, nil
	}
	return opus, &codecs.OpusPayloader{}, nil
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.packets.Store(nil)
	return nil
}

// packetizer makes the RTP packets of one stream. It is used by one goroutine.
type packetizer struct {
	codec        frame.Codec // of video
	writer       webrtc.TrackLocalWriter
	payloader    rtp.Payloader
	counter      *streamCounter
	header       rtp.Header // what all packets share, and the next sequence number
	base         uint32     // RTP time stamp of PTS 0
	rate         int64      // RTP ticks per second
	marker       bool       // whether the last packet of a frame is marked
	extensions   []interceptor.RTPHeaderExtension
	playoutDelay uint8 // extension ids, 0 if not negotiated
	captureTime  uint8
	capturedAt   time.Time  // last one told
	red          redundancy // of sound
}

// packet is one RTP packet of a stream, made and not yet sent.
type packet struct {
	header  rtp.Header
	payload []byte
	made    time.Time // of those of pictures, zero of others
}

// size is what it takes on the wire.
func (p *packet) size() int {
	return p.header.MarshalSize() + lateExtensions + len(p.payload) + underRTP
}

// lateExtensions is what is put into a header on its way out: the time of sending and the transport-wide number.
const lateExtensions = 4 + 3

// pack makes the packets of one frame, with their numbers: they must be sent, in this order.
func (p *packetizer) pack(data []byte, pts time.Duration, capturedAt time.Time) ([]packet, error) {
	payloads := p.payloader.Payload(mtu-headerRoom, data)
	if len(payloads) == 0 {
		return nil, nil
	}
	p.counter.frames.Add(1)
	p.header.Timestamp = p.base + ticks(pts, p.rate)
	packets := make([]packet, 0, len(payloads))
	var made time.Time
	if p.marker {
		made = time.Now()
	}
	for i, payload := range payloads {
		header := p.header.Clone()
		header.Marker = p.marker && i == len(payloads)-1
		p.header.SequenceNumber++
		if len(payloads) == 1 {
			payload, header.PayloadType = p.red.payload(header.PayloadType, header.Timestamp, payload, mtu-headerRoom)
		}
		if err := p.extend(&header, i == 0, capturedAt); err != nil {
			return nil, fmt.Errorf("peer: RTP header: %w", err)
		}
		packets = append(packets, packet{header, payload, made})
	}
	return packets, nil
}

// send sends a packet.
func (p *packetizer) send(packet packet) error {
	p.counter.packets.Add(1)
	p.counter.bytes.Add(uint64(len(packet.payload)))
	if _, err := p.writer.WriteRTP(&packet.header, packet.payload); err != nil {
		return fmt.Errorf("peer: send RTP: %w", err)
	}
	return nil
}

// padSize is the payload of a packet of padding: its last byte tells the size (RFC 3550, section 5.1).
const padSize = 255

// pad sends a packet of nothing, to measure the path. It may come between two pictures only: it has a number of theirs, and the
// time of the last one. Browsers take packets without payload for what they are also on a stream of pictures (libwebrtc's
// RtpVideoStreamReceiver2 notes the number and no more), so that no second stream is needed for it, as RTX is.
func (p *packetizer) pad() error {
	header := p.header.Clone()
	p.header.SequenceNumber++
	header.Padding = true
	payload := make([]byte, padSize)
	payload[padSize-1] = padSize
	if _, err := p.writer.WriteRTP(&header, payload); err != nil {
		return fmt.Errorf("peer: send padding: %w", err)
	}
	return nil
}

func (p *packetizer) extend(header *rtp.Header, first bool, capturedAt time.Time) error {
	if p.playoutDelay != 0 {
		if err := header.SetExtension(p.playoutDelay, noPlayoutDelay); err != nil {
			return err
		}
	}
	due := first && (p.marker || capturedAt.Sub(p.capturedAt) >= captureTimeInterval)
	if p.captureTime == 0 || !due || capturedAt.IsZero() {
		return nil
	}
	p.capturedAt = capturedAt
	value, err := rtp.NewAbsCaptureTimeExtension(capturedAt).Marshal()
	if err != nil {
		return err
	}
	return header.SetExtension(p.captureTime, value)
}

// ticks converts a time of the pipeline's clock to RTP time, wrapping as RTP does, without overflow on the way.
func ticks(pts time.Duration, rate int64) uint32 {
	seconds, rest := int64(pts/time.Second), int64(pts%time.Second)
	return uint32(seconds*rate + rest*rate/int64(time.Second))
}

var _ webrtc.TrackLocal = (*track)(nil)

// chooseVideo picks the negotiated codec: the first of the client's answer, or, where the client offered all it has, the
// first of ours.
func chooseVideo(negotiated []webrtc.RTPCodecParameters, ranked []frame.Codec, clientOffered bool) (webrtc.RTPCodecParameters, error) {
	var chosen webrtc.RTPCodecParameters
	best := len(ranked)
	for _, params := range negotiated {
		codec, ok := codecOf(params.RTPCodecCapability)
		for i, ours := range ranked {
			if ok && codec == ours && i < best {
				chosen, best = params, i
			}
		}
		if best < len(ranked) && !clientOffered {
			break
		}
	}
	if best == len(ranked) {
		return chosen, ErrNoCommonCodec
	}
	return chosen, nil
}
