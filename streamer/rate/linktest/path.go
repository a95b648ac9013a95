// Package linktest is a network path and a call over it, in virtual time: for tests of the rate control, which run minutes of a
// call in milliseconds and the same way each time.
package linktest

import (
	"math/rand/v2"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// Path is a way to a receiver and back. Packets wait for each other as in a router: what comes when the queue is full is dropped.
type Path struct {
	// Capacity in bit/s at a time since the beginning.
	Capacity func(time.Duration) float64
	// Delay is one way; the way back takes as long.
	Delay time.Duration
	// Jitter is the most that a packet is held up beyond that, evenly spread; the order stays.
	Jitter time.Duration
	// Loss is the part of the packets that is lost, both ways, independently.
	Loss float64
	// Queue is the most that waits, as time at the capacity of the moment.
	Queue time.Duration
	// Out tells that nothing gets through at a time, in either direction.
	Out func(time.Duration) bool
	// Seed makes the path's chance.
	Seed uint64

	random *rand.Rand
	busy   time.Duration // until when what waits is sent
	latest time.Duration // arrival of the last packet
	// Waits are how long packets that got through waited in the queue.
	Waits []Wait
}

// Wait is of one packet, sent At.
type Wait struct{ At, For time.Duration }

// Always is a constant capacity.
func Always(bps float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return bps }
}

// Send sends a packet at a time and tells when it arrives, if it does.
func (p *Path) Send(now time.Duration, size int) (at time.Duration, ok bool) {
	if p.random == nil {
		p.random = rand.New(rand.NewPCG(p.Seed, 1))
	}
	if p.Out != nil && p.Out(now) {
		return 0, false
	}
	start := max(now, p.busy)
	if start-now > p.Queue {
		return 0, false
	}
	p.busy = start + time.Duration(float64(size)*8/p.Capacity(start)*float64(time.Second))
	if p.random.Float64() < p.Loss {
		return 0, false
	}
	p.Waits = append(p.Waits, Wait{now, start - now})
	at = p.busy + p.Delay
	if p.Jitter > 0 {
		at += time.Duration(p.random.Int64N(int64(p.Jitter)))
	}
	p.latest = max(p.latest, at)
	return p.latest, true
}

// back tells when feedback sent at a time arrives.
func (p *Path) back(now time.Duration) (at time.Duration, ok bool) {
	if p.Out != nil && p.Out(now) || p.random != nil && p.random.Float64() < p.Loss {
		return 0, false
	}
	return now + p.Delay, true
}

// feedbackEvery is how often a browser sends feedback (libwebrtc: 50 ms at these rates).
const feedbackEvery = 50 * time.Millisecond

// Receiver makes the feedback of what arrives, as bytes that went through the encoding.
type Receiver struct {
	recorder *twcc.Recorder
	next     time.Duration
	some     bool
}

// NewReceiver makes a receiver.
func NewReceiver() *Receiver { return &Receiver{recorder: twcc.NewRecorder(1)} }

// Take takes a packet at a time.
func (r *Receiver) Take(at time.Duration, seq uint16) {
	const clock = 123 * time.Second // of the receiver, which is another one
	r.recorder.Record(2, seq, (at + clock).Microseconds())
	r.some = true
}

// Feedback is what is sent at a time, if anything.
func (r *Receiver) Feedback(t TB, now time.Duration) []*rtcp.TransportLayerCC {
	if now < r.next || !r.some {
		return nil
	}
	r.next, r.some = now+feedbackEvery, false
	var list []*rtcp.TransportLayerCC
	for _, packet := range r.recorder.BuildFeedbackPacket() {
		raw, err := packet.Marshal()
		if err != nil {
			t.Fatalf("linktest: %v", err)
		}
		feedback := &rtcp.TransportLayerCC{}
		if err := feedback.Unmarshal(raw); err != nil {
			t.Fatalf("linktest: %v", err)
		}
		list = append(list, feedback)
	}
	return list
}

// Rest lets the next feedback come at any time again.
func (r *Receiver) Rest() { r.next = 0 }
