package peer

import (
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
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
	isNew := func(seq uint16) bool {
		mu.Lock()
		defer mu.Unlock()
		if begun && !after(seq, newest) {
			return false
		}
		begun, newest = true, seq
		return true
	}
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		if isNew(header.SequenceNumber) {
			return next.Write(header, payload, a)
		}
		// Both belong to the buffer, which uses them again.
		r.take(repeat{header.Clone(), append([]byte(nil), payload...), next})
		return len(payload), nil
	})
}

// after tells whether a sequence number comes after another, as they wrap.
func after(a, b uint16) bool { return int16(a-b) > 0 }
