package peer

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"streamstack/streamer/rate"
)

// Tracer is shown what passes a peer, for the record. Its methods are called from several goroutines at once, between the packets of a
// stream: they must not wait, nor keep or change what they are given.
type Tracer interface {
	// Sent is an RTP packet on its way out, with payload bytes behind its header; again tells that it was sent before.
	Sent(header *rtp.Header, payload int, again bool)
	// Feedback is what the client says about our streams. What is about two of them may be shown twice.
	Feedback(packets []rtcp.Packet)
	// Estimated is what the estimator thinks, after each feedback, or so.
	Estimated(s rate.State)
}

// WireStats count the RTP packets of the pictures as they went out, repeats and padding included; the meanings are those of
// RTCOutboundRtpStreamStats in the W3C's "Identifiers for WebRTC's Statistics API".
type WireStats struct {
	// Packets is packetsSent, Bytes is bytesSent: of payloads, without headers and padding.
	Packets, Bytes uint64
	// PacketsAgain and BytesAgain are the parts of both that were sent before.
	PacketsAgain, BytesAgain uint64
	// Delay is totalPacketSendDelay: the time that packets waited here from their making to their sending, added up.
	Delay time.Duration
}

// outlet stands last before the network: what passes here is sent. Only the sender's goroutine sends.
type outlet struct {
	interceptor.NoOp
	trace Tracer // nil for nobody

	packets, bytes           atomic.Uint64
	packetsAgain, bytesAgain atomic.Uint64
	delay                    atomic.Int64 // time.Duration
}

// NewInterceptor implements interceptor.Factory: each peer has its own registry.
func (w *outlet) NewInterceptor(string) (interceptor.Interceptor, error) { return w, nil }

// BindLocalStream implements interceptor.Interceptor.
func (w *outlet) BindLocalStream(info *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	video := strings.HasPrefix(info.MimeType, "video/")
	var order newest
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		again := !order.take(header.SequenceNumber)
		if video {
			w.count(header, payload, again)
		}
		if w.trace != nil {
			w.trace.Sent(header, len(payload), again)
		}
		return next.Write(header, payload, a)
	})
}

func (w *outlet) count(header *rtp.Header, payload []byte, again bool) {
	size := len(payload)
	if header.Padding && size > 0 { // whose last byte says how much of it there is (RFC 3550, section 5.1)
		size = max(0, size-int(payload[size-1]))
	}
	w.packets.Add(1)
	w.bytes.Add(uint64(size))
	if again {
		w.packetsAgain.Add(1)
		w.bytesAgain.Add(uint64(size))
	}
}

// waited notes that a packet of the pictures, or a repeat of one, goes out now.
func (w *outlet) waited(made, now time.Time) {
	if !made.IsZero() {
		w.delay.Add(int64(max(0, now.Sub(made))))
	}
}

func (w *outlet) stats() WireStats {
	return WireStats{
		Packets: w.packets.Load(), Bytes: w.bytes.Load(), PacketsAgain: w.packetsAgain.Load(), BytesAgain: w.bytesAgain.Load(),
		Delay: time.Duration(w.delay.Load()),
	}
}

// traceFeedback shows the tracer what came.
func (w *outlet) traceFeedback(packets []rtcp.Packet) {
	if w.trace != nil {
		w.trace.Feedback(packets)
	}
}

// traceEstimate likewise.
func (w *outlet) traceEstimate(s rate.State) {
	if w.trace != nil {
		w.trace.Estimated(s)
	}
}

// newest finds out which packets of one stream go out for the first time, which they do in order.
type newest struct {
	mu    sync.Mutex
	begun bool
	seq   uint16
}

// take tells whether a number is a new one.
func (n *newest) take(seq uint16) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.begun && !after(seq, n.seq) {
		return false
	}
	n.begun, n.seq = true, seq
	return true
}
