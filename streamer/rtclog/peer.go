package rtclog

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"streamstack/streamer/peer"
	"streamstack/streamer/rate"
)

const (
	// estimateEvery is how often an estimate that changes only a little is told.
	estimateEvery = 100 * time.Millisecond
	// shownID is how much of a client's id is in each line.
	shownID = 8
	// maxList is how many entries of one RTCP packet are listed.
	maxList = 64
)

// Peer is the log as one connection sees it. It implements [peer.Tracer]. While the log is off it costs an atomic read.
type Peer struct {
	log *Log
	id  string

	mu     sync.Mutex
	last   rate.State
	lastAt time.Time
}

var _ peer.Tracer = (*Peer)(nil)

// Peer is for the connection to a client.
func (l *Log) Peer(id string) *Peer { return &Peer{log: l, id: id[:min(len(id), shownID)]} }

type rtpLine struct {
	SSRC    uint32 `json:"ssrc"`
	Seq     uint16 `json:"seq"`
	TS      uint32 `json:"ts"`
	PT      uint8  `json:"pt"`
	Payload int    `json:"payload"` // bytes
	Marker  bool   `json:"marker,omitempty"`
	Padding bool   `json:"padding,omitempty"`
	Again   bool   `json:"again,omitempty"` // a repeat
}

type rtcpLine struct {
	Kind     string   `json:"kind"`               // twcc, nack, pli, fir, sli, rr or sr; others are left out
	SSRC     uint32   `json:"ssrc,omitempty"`     // of the stream that it is about
	Base     uint16   `json:"base,omitempty"`     // twcc: the first number,
	Count    uint16   `json:"count,omitempty"`    // how many are reported,
	Received int      `json:"received,omitempty"` // and how many of them came
	Number   uint8    `json:"number,omitempty"`   // twcc, fir: of the packet itself
	Seqs     []uint16 `json:"seqs,omitempty"`     // nack: what is asked for, 64 at most
	Lost     *float64 `json:"lost,omitempty"`     // rr: since the one before, 0 to 1
	Total    uint32   `json:"total,omitempty"`    // rr: lost in all
	Highest  uint32   `json:"highest,omitempty"`  // rr: the newest number, with its cycles
	Jitter   uint32   `json:"jitter,omitempty"`   // rr: in ticks of the stream's clock
}

type estimate struct {
	BPS      int     `json:"bps"` // on the wire
	Cause    string  `json:"cause"`
	RTTMs    float64 `json:"rtt_ms"`
	QueueMs  float64 `json:"queue_ms"`
	Loss     float64 `json:"loss"`
	InFlight int     `json:"in_flight"` // bytes, and
	Window   int     `json:"window"`    // as many may be
	Capacity int     `json:"capacity,omitempty"`
	Limited  bool    `json:"limited,omitempty"`
	Draining bool    `json:"draining,omitempty"`
	Outage   bool    `json:"outage,omitempty"`
}

type decision struct {
	Kind     string `json:"kind"`
	Cause    string `json:"cause,omitempty"`
	BPS      int    `json:"bps"` // the encoder's target
	FPS      int    `json:"fps"`
	Pictures int    `json:"pictures,omitempty"`
	Min      int    `json:"min_bps,omitempty"`
	Max      int    `json:"max_bps,omitempty"`
}

// Sent implements [peer.Tracer].
func (p *Peer) Sent(h *rtp.Header, payload int, again bool) {
	if r := p.log.running.Load(); r != nil {
		r.put(line{at: time.Now(), Peer: p.id, RTP: &rtpLine{
			SSRC: h.SSRC, Seq: h.SequenceNumber, TS: h.Timestamp, PT: h.PayloadType, Payload: payload, Marker: h.Marker, Padding: h.Padding, Again: again,
		}})
	}
}

// Feedback implements [peer.Tracer].
func (p *Peer) Feedback(packets []rtcp.Packet) {
	r := p.log.running.Load()
	if r == nil {
		return
	}
	now := time.Now()
	for _, packet := range packets {
		for _, l := range describe(packet) {
			r.put(line{at: now, Peer: p.id, RTCP: &l})
		}
	}
}

// describe makes lines of an RTCP packet.
func describe(packet rtcp.Packet) []rtcpLine {
	switch packet := packet.(type) {
	case *rtcp.TransportLayerCC:
		return []rtcpLine{{Kind: "twcc", SSRC: packet.MediaSSRC, Base: packet.BaseSequenceNumber, Count: packet.PacketStatusCount,
			Received: len(packet.RecvDeltas), Number: packet.FbPktCount}}
	case *rtcp.TransportLayerNack:
		l := rtcpLine{Kind: "nack", SSRC: packet.MediaSSRC}
		for _, pair := range packet.Nacks {
			l.Seqs = append(l.Seqs, pair.PacketList()...)
			if len(l.Seqs) >= maxList {
				l.Seqs = l.Seqs[:maxList]
				break
			}
		}
		return []rtcpLine{l}
	case *rtcp.PictureLossIndication:
		return []rtcpLine{{Kind: "pli", SSRC: packet.MediaSSRC}}
	case *rtcp.FullIntraRequest:
		l := rtcpLine{Kind: "fir", SSRC: packet.MediaSSRC}
		if len(packet.FIR) > 0 {
			l.SSRC, l.Number = packet.FIR[0].SSRC, packet.FIR[0].SequenceNumber
		}
		return []rtcpLine{l}
	case *rtcp.SliceLossIndication:
		return []rtcpLine{{Kind: "sli", SSRC: packet.MediaSSRC}}
	case *rtcp.ReceiverReport:
		return reports("rr", packet.Reports)
	case *rtcp.SenderReport:
		return reports("sr", packet.Reports)
	default:
		return nil // such as a source description: it says who, and nothing of the path
	}
}

func reports(kind string, list []rtcp.ReceptionReport) (lines []rtcpLine) {
	for _, r := range list[:min(len(list), maxList)] {
		lost := float64(r.FractionLost) / 256
		lines = append(lines, rtcpLine{Kind: kind, SSRC: r.SSRC, Lost: &lost, Total: r.TotalLost, Highest: r.LastSequenceNumber, Jitter: r.Jitter})
	}
	return lines
}

// Estimated implements [peer.Tracer].
func (p *Peer) Estimated(s rate.State) {
	r := p.log.running.Load()
	if r == nil {
		return
	}
	now := time.Now()
	p.mu.Lock()
	same := s.Cause == p.last.Cause && s.Draining == p.last.Draining && s.Outage == p.last.Outage
	if same && now.Sub(p.lastAt) < estimateEvery {
		p.mu.Unlock()
		return
	}
	p.last, p.lastAt = s, now
	p.mu.Unlock()
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	r.put(line{at: now, Peer: p.id, Estimate: &estimate{
		BPS: s.Estimate, Cause: string(s.Cause), RTTMs: milliseconds(s.RTT), QueueMs: milliseconds(s.Queue), Loss: s.Loss,
		InFlight: s.InFlight, Window: s.Window, Capacity: s.Capacity, Limited: s.Limited, Draining: s.Draining, Outage: s.Outage,
	}})
}

// Decided takes what the peer decided.
func (p *Peer) Decided(d peer.Decision) {
	if r := p.log.running.Load(); r != nil {
		r.put(line{at: d.At, Peer: p.id, Decision: &decision{
			Kind: string(d.Kind), Cause: d.Cause, BPS: d.Target.Bitrate, FPS: d.Target.FPS, Pictures: d.Pictures, Min: d.Min, Max: d.Max,
		}})
	}
}
