package peer

import (
	"fmt"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/rtcp"
	"github.com/pion/sdp/v3"
)

// estimator is Google congestion control on the feedback of transport-wide-cc, as an interceptor of one peer. It does
// not pace.
//
// Its memory of sent packets is 250 (fixed in pion/interceptor v0.1.29): a burst of more within a round trip counts as
// lost. A target followed by the encoder keeps well below that; a very large key frame makes the estimate dip.
//
// pion's own wrapper of gcc is not used: it feeds the same feedback twice where a compound packet names both streams.
type estimator struct {
	interceptor.NoOp
	bwe *gcc.SendSideBWE

	mu       sync.Mutex
	seen     bool
	lastSSRC uint32 // sender and
	lastFeed uint8  // number of the last feedback taken
	closed   bool
}

func newEstimator(cfg *Config) (*estimator, error) {
	bwe, err := gcc.NewSendSideBWE(
		gcc.SendSideBWEPacer(gcc.NewNoOpPacer()),
		gcc.SendSideBWEInitialBitrate(cfg.StartBitrate),
		gcc.SendSideBWEMinBitrate(cfg.MinBitrate),
		gcc.SendSideBWEMaxBitrate(cfg.MaxBitrate),
	)
	if err != nil {
		return nil, fmt.Errorf("peer: start the bandwidth estimation: %w", err)
	}
	return &estimator{bwe: bwe}, nil
}

// NewInterceptor implements interceptor.Factory: each peer has its own registry, so the estimator is its own product.
func (e *estimator) NewInterceptor(string) (interceptor.Interceptor, error) {
	return e, nil
}

// BindLocalStream implements interceptor.Interceptor.
func (e *estimator) BindLocalStream(info *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	if extensionID(info.RTPHeaderExtensions, sdp.TransportCCURI) == 0 {
		return next // without the number there will be no feedback on these packets
	}
	return e.bwe.AddStream(info, next)
}

// feed takes one feedback of the receiver, once.
func (e *estimator) feed(feedback *rtcp.TransportLayerCC) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.seen && e.lastSSRC == feedback.SenderSSRC && e.lastFeed == feedback.FbPktCount {
		return nil
	}
	e.seen, e.lastSSRC, e.lastFeed = true, feedback.SenderSSRC, feedback.FbPktCount
	return e.bwe.WriteRTCP([]rtcp.Packet{feedback}, nil)
}

// state is what gcc thinks now.
func (e *estimator) state() congestion {
	stats := e.bwe.GetStats()
	usage, _ := stats["usage"].(string)
	loss, _ := stats["averageLoss"].(float64)
	return congestion{estimate: e.bwe.GetTargetBitrate(), overuse: usage == "overuse", loss: loss}
}

// Close implements interceptor.Interceptor. It may be called again.
func (e *estimator) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.bwe.Close()
}
