package peer

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
)

// Stats are the counts of a peer since it was made, and the last of what its client reported.
type Stats struct {
	// Video and Audio count what was sent, without repeats.
	Video, Audio StreamStats
	// FramesDropped counts pictures given to WriteVideo and not sent: before the connection or its first key frame,
	// or because of an overflow.
	FramesDropped uint64
	// Overflows counts how often pictures were dropped because they came faster than they could be sent.
	Overflows uint64
	// Repeats counts packets sent again.
	Repeats uint64
	// NACKs counts packets the client asked for again; PLIs and FIRs its requests for key frames.
	NACKs, PLIs, FIRs uint64
	// NACKPackets counts the packets of feedback (RFC 4585, section 6.2.1) that asked for those of the pictures, SLIs its reports of
	// lost slices (section 6.3.2), which nothing is done about: browsers send none.
	NACKPackets, SLIs uint64
	// Wire counts what went out of the pictures.
	Wire WireStats
	// FeedbackDropped counts packets of RTCP that were not looked into, because there were too many: of the client, or of who knows its port.
	FeedbackDropped uint64
	// StraysDropped counts packets of RTP of more streams than a client has a use for.
	StraysDropped uint64
	// RTT is the round trip time by the last receiver report (RFC 3550, section 6.4.1), 0 before it.
	RTT time.Duration
	// Loss is the part of the video packets lost between the last two receiver reports, 0 to 1.
	Loss float64
	// Target is the last target told; zero before the first. Estimate is what the path is thought to carry, in bit/s on the wire.
	Target   Target
	Estimate int
	// Keyframes counts key frames sent by why they were made.
	Keyframes map[KeyframeCause]uint64
	// Freezes counts how often nothing was sent for more than two frame intervals and 100 ms after a picture, Frozen is
	// the time spent so, each from the picture before.
	Freezes uint64
	Frozen  time.Duration
}

// StreamStats counts one stream. Bytes are those of payloads.
type StreamStats struct{ Frames, Packets, Bytes uint64 }

type streamCounter struct{ frames, packets, bytes atomic.Uint64 }

func (c *streamCounter) stats() StreamStats {
	return StreamStats{Frames: c.frames.Load(), Packets: c.packets.Load(), Bytes: c.bytes.Load()}
}

type counters struct {
	video, audio      streamCounter
	dropped           atomic.Uint64
	nacks, plis, firs atomic.Uint64
	nackPackets, slis atomic.Uint64
	overflows         atomic.Uint64
	repeats           atomic.Uint64
	feedbackDropped   atomic.Uint64
	strays            atomic.Uint64
	target            atomic.Pointer[Target]
	mu                sync.Mutex
	rtt               time.Duration
	loss              float64
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Video: c.video.stats(), Audio: c.audio.stats(), FramesDropped: c.dropped.Load(),
		NACKs: c.nacks.Load(), PLIs: c.plis.Load(), FIRs: c.firs.Load(), NACKPackets: c.nackPackets.Load(), SLIs: c.slis.Load(),
		Overflows: c.overflows.Load(), Repeats: c.repeats.Load(), FeedbackDropped: c.feedbackDropped.Load(), StraysDropped: c.strays.Load(), RTT: c.rtt, Loss: c.loss,
	}
	if t := c.target.Load(); t != nil {
		s.Target = *t
	}
	return s
}

// report takes a receiver's report on one of our streams.
func (c *counters) report(now time.Time, report rtcp.ReceptionReport, video bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if video {
		c.loss = float64(report.FractionLost) / 256
	}
	if rtt, ok := roundTrip(now, report); ok {
		c.rtt = rtt
	}
}

// roundTrip is A - LSR - DLSR of RFC 3550, section 6.4.1, in units of 1/65536 s on a clock that wraps.
func roundTrip(now time.Time, report rtcp.ReceptionReport) (time.Duration, bool) {
	if report.LastSenderReport == 0 {
		return 0, false
	}
	units := compactNTP(now) - report.LastSenderReport - report.Delay
	if units > math.MaxInt32 {
		return 0, false // the client's clock ran a little fast, or it lies
	}
	return time.Duration(units) * time.Second / 65536, true
}

// compactNTP is the middle 32 bits of an NTP time stamp (RFC 3550, section 4).
func compactNTP(t time.Time) uint32 {
	const secondsFrom1900To1970 = 2_208_988_800
	nanos := uint64(t.UnixNano())
	seconds := nanos/1e9 + secondsFrom1900To1970
	fraction := nanos % 1e9 * 65536 / 1e9
	return uint32(seconds<<16 | fraction)
}
