package peer

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
)

// A client may send RTCP as fast as its line carries it. Each packet that it asks for again is looked up and copied by pion, on a
// goroutine for each request: a megabyte of feedback could cost a core. How many packets come at all is bounded by rtcpGate, before
// pion decrypts and parses them; what is in them is bounded here, before anything acts on it, at several times what browsers send on bad
// networks: libwebrtc sends reports every 50 ms, and a request for each gap.
const (
	// feedbackRate is what may come each second, and at once, in bytes with feedbackCost for each packet: some two thousand packets, or
	// two hundred large ones.
	feedbackRate, feedbackCost = 300_000, 100
	// requestRate is how many packets may be asked for again each second, and at once: all of a path of 40 Mbit/s.
	requestRate = 4000
	// resendsMost and resendPause bound how often one packet is sent again. libwebrtc asks ten times, a round trip apart.
	resendsMost, resendPause = 10, 10 * time.Millisecond
)

// Of RTCP (RFC 3550, section 6.4; RFC 4585, sections 6.1 and 6.2.1).
const (
	rtcpHeader   = 4
	rtpFeedback  = 205 // packet type of transport layer feedback
	genericNACK  = 1   // its format
	nackFirst    = 12  // where the requests begin, four bytes each
	rtcpVersion2 = 2
	// Of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1): its format, where the count of
	// packets and the chunks are.
	transportWide                    = 15
	transportWideCount, firstOfChunk = 14, 20
)

// feedbackLimit drops RTCP beyond the bounds. It stands next to the wire. Safe for concurrent use.
type feedbackLimit struct {
	interceptor.NoOp
	now     func() time.Time
	dropped *atomic.Uint64 // packets

	mu              sync.Mutex
	bytes, requests bucket
}

func newFeedbackLimit(now func() time.Time, dropped *atomic.Uint64) *feedbackLimit {
	return &feedbackLimit{now: now, dropped: dropped, bytes: bucket{rate: feedbackRate}, requests: bucket{rate: requestRate}}
}

// NewInterceptor implements interceptor.Factory: each peer has its own registry.
func (l *feedbackLimit) NewInterceptor(string) (interceptor.Interceptor, error) { return l, nil }

// BindRTCPReader implements interceptor.Interceptor.
func (l *feedbackLimit) BindRTCPReader(reader interceptor.RTCPReader) interceptor.RTCPReader {
	return interceptor.RTCPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		for {
			n, attributes, err := reader.Read(b, a)
			if err != nil || l.lets(b[:n]) {
				return n, attributes, err //nolint:wrapcheck // pion's own, to pion
			}
			l.dropped.Add(1)
		}
	})
}

// lets tells whether a packet may pass.
func (l *feedbackLimit) lets(packet []byte) bool {
	if inflated(packet) {
		return false
	}
	requests := requested(packet)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes.take(now, len(packet)+feedbackCost) && l.requests.take(now, requests)
}

// requested is how many packets a compound packet asks for again. What is malformed asks for nothing; pion's parser refuses it.
func requested(compound []byte) (n int) {
	for len(compound) >= rtcpHeader && compound[0]>>6 == rtcpVersion2 {
		size := rtcpHeader * (int(binary.BigEndian.Uint16(compound[2:])) + 1)
		if size > len(compound) {
			return n
		}
		if compound[1] == rtpFeedback && compound[0]&0x1f == genericNACK {
			for at := nackFirst; at+4 <= size; at += 4 {
				n += 1 + bits.OnesCount16(binary.BigEndian.Uint16(compound[at+2:]))
			}
		}
		compound = compound[size:]
	}
	return n
}

// inflated tells whether there is feedback in a compound packet that says of more packets that they came than it has bytes for their
// times. pion allocates for each of them before it finds that out: forty bytes could cost a millisecond.
func inflated(compound []byte) bool {
	for len(compound) >= rtcpHeader && compound[0]>>6 == rtcpVersion2 {
		size := rtcpHeader * (int(binary.BigEndian.Uint16(compound[2:])) + 1)
		if size > len(compound) {
			return false
		}
		if compound[1] == rtpFeedback && compound[0]&0x1f == transportWide && cameByRuns(compound[:size]) > size {
			return true
		}
		compound = compound[size:]
	}
	return false
}

// cameByRuns is how many packets have come by the runs of transport-wide feedback, of which each can say that of 8191.
func cameByRuns(feedback []byte) (came int) {
	if len(feedback) < firstOfChunk {
		return 0
	}
	left := int(binary.BigEndian.Uint16(feedback[transportWideCount:]))
	for at := firstOfChunk; left > 0 && at+2 <= len(feedback); at += 2 {
		switch chunk := binary.BigEndian.Uint16(feedback[at:]); {
		case chunk>>14 == 2: // 14 symbols of one bit
			left -= 14
		case chunk>>14 == 3: // 7 of two
			left -= 7
		default:
			run := min(int(chunk&0x1fff), left)
			if symbol := chunk >> 13 & 3; symbol == 1 || symbol == 2 {
				came += run
			}
			left -= run
		}
	}
	return came
}

// bucket holds what may be used at once, a second's worth, and fills at its rate. It begins full.
type bucket struct {
	rate float64 // per second
	used float64 // of it
	last time.Time
}

// take uses n, or nothing where less is left.
func (b *bucket) take(now time.Time, n int) bool {
	if passed := now.Sub(b.last); passed > 0 {
		b.used = max(0, b.used-b.rate*passed.Seconds())
		b.last = now
	}
	if b.used+float64(n) > b.rate {
		return false
	}
	b.used += float64(n)
	return true
}

// resends remembers how often the packets of one stream were sent again. It is used under its owner's lock.
type resends [nackBuffer]struct {
	times uint8
	last  time.Time
}

// sent forgets what had the number before.
func (r *resends) sent(seq uint16) {
	of := &r[seq%nackBuffer]
	of.times, of.last = 0, time.Time{}
}

// again tells whether a packet may be sent again, and counts that.
func (r *resends) again(now time.Time, seq uint16) bool {
	of := &r[seq%nackBuffer]
	if of.times >= resendsMost || now.Sub(of.last) < resendPause {
		return false
	}
	of.times, of.last = of.times+1, now
	return true
}
