package peer

import (
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"

	"streamstack/streamer/pacer"
)

const (
	// repeatWait is how long repeats may take at the rate of the moment. More are not taken: they are asked for again.
	repeatWait = 250 * time.Millisecond
	// repeatShare of the path is for repeats, on a lasting basis: however much is asked for, pictures go on.
	repeatShare = 0.5
	// doubleLoss is the loss from which a repeat goes twice. Where a picture has thirty packets and one in twenty is lost, every tenth
	// picture loses one twice, and a browser that sends nothing knows no round trip time and waits 100 ms before it asks again.
	doubleLoss = 0.015
	// oldest is before how many packets a key frame counts as of then: nothing is repeated that is as old (see nackBuffer).
	oldest = 1 << 14
)

// repeats stands below the buffer of sent packets and takes what that sends again because the receiver asked for it (RFC
// 4585, section 6.2.1) out of the way to the wire: a repeat has to wait for its turn in the pacer like everything else. What
// is new passes. Only the sender's goroutine sends what is new, and in order, so that numbers tell the two apart.
type repeats struct {
	interceptor.NoOp
	take func(repeat)
}

// repeat is a packet that was sent before.
type repeat struct {
	header  rtp.Header
	payload []byte
	next    interceptor.RTPWriter
}

// NewInterceptor implements interceptor.Factory: each peer has its own registry.
func (r *repeats) NewInterceptor(string) (interceptor.Interceptor, error) {
	return r, nil
}

// BindLocalStream implements interceptor.Interceptor.
func (r *repeats) BindLocalStream(_ *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	var mu sync.Mutex
	var begun bool
	var newest uint16
	var resent resends
	isNew := func(seq uint16) (isNew, again bool) {
		mu.Lock()
		defer mu.Unlock()
		if begun && !after(seq, newest) {
			return false, resent.again(time.Now(), seq)
		}
		begun, newest = true, seq
		resent.sent(seq)
		return true, false
	}
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		isNew, again := isNew(header.SequenceNumber)
		switch {
		case isNew:
			return next.Write(header, payload, a)
		case !again:
			return len(payload), nil
		}
		// Both belong to the buffer, which uses them again.
		r.take(repeat{header.Clone(), append([]byte(nil), payload...), next})
		return len(payload), nil
	})
}

// after tells whether a sequence number comes after another, as they wrap.
func after(a, b uint16) bool { return int16(a-b) > 0 }

// repeat takes a packet that is asked for again. One of before the last key frame helps nobody, and fills a path that has lost
// something already.
func (s *sender) repeat(r repeat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || s.out || s.outdated(r) || s.superseded(r) || s.pacer.Bytes(pacer.Repeat) > s.within(repeatWait) ||
		!s.affords(time.Now(), r.header.MarshalSize()+len(r.payload)) {
		return
	}
	s.putRepeat(r, false)
	if s.path.state().Loss >= doubleLoss {
		s.putRepeat(r, true)
	}
	s.signal()
}

// affords tells whether the repeats' share of the path has room for so many bytes, and takes that.
func (s *sender) affords(now time.Time, size int) bool {
	most := float64(s.within(repeatWait)) // a path that has become narrower forgets what was more
	s.repeated = max(0, min(s.repeated, most+mtu)-repeatShare*float64(s.within(now.Sub(s.repeatedAt))))
	s.repeatedAt = now
	if s.repeated >= most {
		return false
	}
	s.repeated += float64(size)
	return true
}

// putRepeat has a repeat sent. A copy is one that the receiver's SRTP drops if it has the other (RFC 3711, section 3.3.2), without a
// word in its feedback.
func (s *sender) putRepeat(r repeat, isCopy bool) {
	p := packet{r.header.Clone(), r.payload, time.Now()} // each gets stamps of its own
	if s.pacer.Put(pacer.Repeat, outgoing{packet: p, again: r.next, says: sending{repeat: true, isCopy: isCopy}}, p.size()) {
		s.counters.repeats.Add(1)
	}
}

// superseded tells that the packet is of a picture that the key frame that is awaited will take the place of.
func (s *sender) superseded(r repeat) bool {
	video := s.video.packetizer()
	return video != nil && r.header.SSRC == video.header.SSRC && !s.pictures.Flowing()
}

func (s *sender) outdated(r repeat) bool {
	video := s.video.packetizer()
	return video != nil && r.header.SSRC == video.header.SSRC && s.padding && after(s.keySeq, r.header.SequenceNumber)
}
