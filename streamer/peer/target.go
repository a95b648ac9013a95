package peer

import (
	"context"
	"time"

	"streamstack/streamer/rate"
)

const (
	// lookEvery is how often the clock is looked at where no feedback comes.
	lookEvery = 20 * time.Millisecond
	// useTick is how often what was sent is measured, for the last useTicks of them.
	useTick, useTicks = 100 * time.Millisecond, 10
)

// Target is what an encoder should aim at.
type Target struct {
	// Bitrate is what it should make in all, bit/s, at FPS pictures a second. An encoder that counts pictures and not time has to
	// be told more where FPS is not the full rate, in proportion.
	Bitrate, FPS int
}

// DecisionKind is what was decided on.
type DecisionKind string

const (
	// DecidedTarget is another target of the encoder.
	DecidedTarget DecisionKind = "target"
	// DecidedKeyframe is a key frame asked for.
	DecidedKeyframe DecisionKind = "keyframe"
	// DecidedDrop is that pictures were dropped.
	DecidedDrop DecisionKind = "drop"
	// DecidedOutage is that nothing is sent because nothing is heard, DecidedResume the end of that.
	DecidedOutage DecisionKind = "outage"
	DecidedResume DecisionKind = "resume"
	// DecidedRedundancy is how many packets before its own each packet of sound carries from then on.
	DecidedRedundancy DecisionKind = "redundancy"
)

// Decision is one of the sender's, with what it rests on.
type Decision struct {
	At   time.Time
	Kind DecisionKind
	// Cause is why: a [rate.Cause] for targets, a [KeyframeCause] for key frames, a RedundancyCause for redundancy.
	Cause string
	// Target is that of the encoder from then on.
	Target Target
	// Estimate is in bit/s on the wire, Queue the time that packets wait on the path.
	Estimate int
	Queue    time.Duration
	// Pictures were dropped.
	Pictures int
	// Min and Max are new bounds, bit/s, of the kind DecidedBounds.
	Min, Max int
	// Copies is of redundancy: 0 to 2.
	Copies int
}

// followRate turns feedback and time into the pace of the sender, probes, and targets for the encoder, until ctx ends.
func (p *Peer) followRate(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	f := follower{p: p, before: p.estimator.state()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.fed:
		case <-ticker.C:
		}
		f.look(time.Now())
	}
}

// follower is the state of followRate. It is used by one goroutine.
type follower struct {
	p      *Peer
	before rate.State
	meter  useMeter
}

func (f *follower) look(now time.Time) {
	p := f.p
	f.rebound(now)
	s, probe, ok := p.estimator.tick()
	p.wire.traceEstimate(s)
	use := f.meter.add(now, p.estimator.used(), p.counters.video.bytes.Load())
	if t, tell := p.targeter.Next(now, s, use); tell {
		target := Target{Bitrate: t.Bitrate, FPS: t.FPS}
		p.counters.target.Store(&target)
		p.freezes.setFPS(t.FPS)
		p.tell(func(h *Handlers) {
			if h.Target != nil {
				h.Target(target)
			}
		})
		p.decided(Decision{At: now, Kind: DecidedTarget, Cause: string(t.Cause), Target: target}, s)
	}
	// After the target: a key frame that is asked for now is to be made at the new one.
	dropped := p.sender.setPath(s.Estimate, s.Outage)
	switch {
	case s.Outage && !f.before.Outage:
		p.decided(Decision{At: now, Kind: DecidedOutage, Cause: string(s.Cause), Pictures: dropped}, s)
	case f.before.Outage && !s.Outage:
		p.decided(Decision{At: now, Kind: DecidedResume, Cause: string(s.Cause)}, s)
		p.keyframes.request(KeyframeOutage)
	}
	f.before = s
	if ok {
		p.sender.probe(probe)
	}
	p.sender.setPace(rate.PaceOf(s, p.targeter.Told()))
}

// decided tells of a decision.
func (p *Peer) decided(d Decision, s rate.State) {
	if p.cfg.Handlers.Decision == nil {
		return
	}
	d.Estimate, d.Queue = s.Estimate, s.Queue
	if d.Target == (Target{}) {
		if t := p.counters.target.Load(); t != nil {
			d.Target = *t
		}
	}
	p.tell(func(h *Handlers) { h.Decision(d) })
}

// useMeter measures what the path is used for, over the last second. It is used by one goroutine.
type useMeter struct {
	last    time.Time
	samples [useTicks]useSample
	next    int
	use     rate.Use
}

type useSample struct {
	at      time.Time
	use     use
	payload uint64 // of pictures
}

// add takes what was sent so far and the bytes of pictures in it.
func (m *useMeter) add(now time.Time, sent use, payload uint64) rate.Use {
	if now.Sub(m.last) < useTick {
		return m.use
	}
	m.last = now
	oldest := m.samples[m.next]
	m.samples[m.next] = useSample{now, sent, payload}
	m.next = (m.next + 1) % useTicks
	if oldest.at.IsZero() {
		oldest = m.samples[0] // from the beginning on
	}
	if passed := now.Sub(oldest.at).Seconds(); passed > 0 {
		m.use.Other = int(float64(sent.other-oldest.use.other) * 8 / passed)
	}
	if pictures := sent.pictures - oldest.use.pictures; pictures > 0 {
		m.use.Payload = float64(payload-oldest.payload) / float64(pictures)
	}
	return m.use
}
