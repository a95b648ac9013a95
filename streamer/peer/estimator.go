package peer

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"

	"streamstack/streamer/rate"
)

const (
	// underRTP is what a packet has around RTP on the wire: SRTP's authentication (10 bytes, RFC 3711), UDP (8) and IPv4 (20).
	underRTP = 10 + 8 + 20
	// leastEstimate is the narrowest path there is a picture for, bit/s on the wire.
	leastEstimate = 150_000
	// soundBits is what sound takes on the wire: 128 kbit/s in a hundred packets a second.
	soundBits = 200_000
	// repeatRoom is the room in the greatest estimate for headers and repeats.
	repeatRoom = 1.25
)

// estimator is the place of package rate in a peer: it sees every packet on its way out, as an interceptor, and is given the
// receiver's feedback. Safe for concurrent use.
type estimator struct {
	interceptor.NoOp
	now func() time.Time

	mu       sync.Mutex
	rate     *rate.Estimator
	sending  sending
	seen     bool
	lastSSRC uint32 // sender and
	lastFeed uint8  // number of the last feedback taken
	use      use
}

// sending says what the packet is that is being sent. Only the sender's goroutine sends.
type sending struct {
	probe           int
	padding, repeat bool
	isCopy          bool // of a repeat that was sent just before
}

// use counts what was sent by what it is, in bytes on the wire.
type use struct{ pictures, other uint64 }

func newEstimator(cfg *Config) (*estimator, error) {
	low, high := wireBounds(cfg.MaxBitrate)
	start := min(max(cfg.StartBitrate*107/100+soundBits, low), high)
	r, err := rate.New(rate.Config{Min: low, Start: start, Max: high})
	if err != nil {
		return nil, fmt.Errorf("peer: start the bandwidth estimation: %w", err)
	}
	return &estimator{now: time.Now, rate: r}, nil
}

// NewInterceptor implements interceptor.Factory: each peer has its own registry, so the estimator is its own product.
func (e *estimator) NewInterceptor(string) (interceptor.Interceptor, error) {
	return e, nil
}

// BindLocalStream implements interceptor.Interceptor.
func (e *estimator) BindLocalStream(info *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	id := extensionID(info.RTPHeaderExtensions, sdp.TransportCCURI)
	if id == 0 {
		return next // without the number there will be no feedback on these packets
	}
	video := strings.HasPrefix(info.MimeType, "video/")
	return interceptor.RTPWriterFunc(func(header *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		var number rtp.TransportCCExtension
		if err := number.Unmarshal(header.GetExtension(id)); err == nil {
			e.sent(number.TransportSequence, header.MarshalSize()+len(payload)+underRTP, video)
		}
		return next.Write(header, payload, a)
	})
}

// says tells what the next packets are.
func (e *estimator) says(s sending) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sending = s
}

func (e *estimator) sent(number uint16, size int, video bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rate.Sent(e.now(), rate.Packet{Seq: number, Size: size, Probe: e.sending.probe, Padding: e.sending.padding, Copy: e.sending.isCopy})
	switch {
	case e.sending.padding:
	case e.sending.repeat, !video:
		e.use.other += uint64(size)
	default:
		e.use.pictures += uint64(size)
	}
}

// feed takes one feedback of the receiver, once: a compound packet is read for each stream that it names.
func (e *estimator) feed(feedback *rtcp.TransportLayerCC) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen && e.lastSSRC == feedback.SenderSSRC && e.lastFeed == feedback.FbPktCount {
		return nil
	}
	e.seen, e.lastSSRC, e.lastFeed = true, feedback.SenderSSRC, feedback.FbPktCount
	return e.rate.Feedback(e.now(), feedback)
}

// tick looks at the clock, and returns a probe that is to be sent, if there is one.
func (e *estimator) tick() (rate.State, rate.Probe, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rate.Tick(e.now())
	probe, ok := e.rate.Probe()
	return e.rate.State(), probe, ok
}

// state is what the estimator thinks now.
func (e *estimator) state() rate.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rate.State()
}

// used is what was sent so far.
func (e *estimator) used() use {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.use
}
