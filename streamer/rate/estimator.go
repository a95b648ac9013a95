package rate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pion/rtcp"
)

const (
	// outageLeast is how long the receiver must be silent for an outage, and outageTrips the same in round trips.
	outageLeast, outageTrips = 500 * time.Millisecond, 3
	// resumeShare of the estimate is taken up again after an outage: the path may be another one.
	resumeShare = 0.9
	// windowRoom is what may be under way beyond what a path without a queue holds: the longest queue that we ever cause
	// knowingly.
	windowRoom = 200 * time.Millisecond
	// windowDrain is the same while the queue is to become shorter.
	windowDrain = 50 * time.Millisecond
	// windowLeast is always allowed to be under way, bytes.
	windowLeast = 8000
	// firstTrip is assumed for the round trip before the first feedback. A receiver that sends none for firstPatience is one that
	// never will.
	firstTrip, firstPatience = 100 * time.Millisecond, 3 * time.Second
	// roundTripWeight is that of a new measurement.
	roundTripWeight = 0.1
)

// Estimator estimates what a path carries. See the package comment. The zero value is not usable; make it with [New].
type Estimator struct {
	low, high, estimate float64
	cause               Cause
	barred              float64 // from where an upper bound has cut an estimate that something spoke against; 0 for nothing

	begun bool
	epoch time.Time
	now   time.Duration

	decoder  decoder
	history  history
	groups   grouper
	trend    trend
	queue    queue // of single packets
	round    queue // of feedback: its base is what a path without a queue holds
	goodput  arrivals
	sent     arrivals // what goodput was when it was sent
	losses   losses
	limited  limited
	capacity capacity
	prober   prober

	heard    time.Duration // last new feedback
	hears    bool          // there was some
	rtt      float64       // seconds
	outage   bool
	usage    Usage
	standing time.Duration // since when the queue is long, 0 while it is not

	decreased, increased time.Duration // last time
	draining             bool
	before               float64       // estimate before the draining
	drains               time.Duration // since when
	fruitless            int           // decreases in a row that did not shorten the queue
	waited               time.Duration // queue at the last decrease
	raised               time.Duration // last raised by a probe,
	trusted              float64       // and from what
}

// New makes an estimator. It fails for bounds that are not in order.
func New(cfg Config) (*Estimator, error) {
	if cfg.Min <= 0 || cfg.Start < cfg.Min || cfg.Max < cfg.Start {
		return nil, fmt.Errorf("rate: bounds %d to %d bit/s with a start at %d: give 0 < Min <= Start <= Max", cfg.Min, cfg.Max, cfg.Start)
	}
	return &Estimator{
		low: float64(cfg.Min), high: float64(cfg.Max), estimate: float64(cfg.Start), cause: CauseStart,
		prober: prober{every: probeSoon},
	}, nil
}

// clock converts to the estimator's time, which never goes back.
func (e *Estimator) clock(now time.Time) time.Duration {
	if !e.begun {
		e.begun, e.epoch = true, now
	}
	// Never 0, which stands for never.
	e.now = max(e.now, now.Sub(e.epoch)+time.Millisecond)
	return e.now
}

// Sent takes a packet that is being sent, in the order of its numbers.
func (e *Estimator) Sent(now time.Time, p Packet) {
	if p.Size <= 0 {
		return
	}
	t := e.clock(now)
	e.history.add(p.Seq, t, p.Size, p.Probe)
	if e.outage || p.Copy {
		e.history.doubtLast()
	}
	if !p.Padding {
		e.limited.sent(p.Size)
	}
}

// Feedback takes a feedback packet. It may be repeated, late, in disorder or nonsense; what makes no sense is an
// [ErrFeedback] and changes nothing.
func (e *Estimator) Feedback(now time.Time, f *rtcp.TransportLayerCC) error {
	t := e.clock(now)
	reports, err := e.decoder.decode(f)
	if err != nil {
		return err
	}
	var (
		usage            = Normal
		shortest, oldest time.Duration
		newest           = e.history.settled
		news             int
	)
	for _, r := range reports {
		p := e.history.find(r.seq)
		if p == nil || p.fate == arrived {
			continue
		}
		newest = max(newest, p.seq)
		if !r.received {
			if p.fate == unknown && e.counts(p) {
				e.losses.lose(p.at)
			}
			p.fate = lost
			continue
		}
		if p.fate == lost && e.counts(p) {
			e.losses.late()
		}
		p.fate = arrived
		if e.counts(p) && e.losses.arrive() {
			e.goodput.reset() // it would measure the interruption
			e.sent.reset()
		}
		if oneWay := r.at - p.at; news == 0 || oneWay < shortest {
			shortest = oneWay
		}
		if news == 0 {
			oldest = t - p.at
		}
		news++
		if p.stale {
			continue
		}
		e.goodput.add(r.at, p.size)
		e.sent.add(p.at, p.size)
		e.prober.arrive(p.cluster, p.at, r.at, p.size)
		if s, ok := e.groups.add(p.at, r.at); ok {
			if u := e.trend.add(s); usage != Overuse {
				usage = u
			}
		}
	}
	e.history.settle(newest)
	if news == 0 {
		return nil
	}
	if e.outage {
		e.resume(t)
	}
	e.heard, e.hears = t, true
	e.queue.add(t, shortest)
	e.round.add(t, oldest)
	if sample := oldest.Seconds(); e.rtt == 0 {
		e.rtt = sample
	} else {
		e.rtt += roundTripWeight * (sample - e.rtt)
	}
	e.usage = usage
	e.control(t)
	return nil
}

// counts tells whether a packet's fate says something of the present rate: it was sent at that, and not into an outage.
func (e *Estimator) counts(p *sending) bool { return !p.stale && p.at >= e.decreased }

// Tick looks at the clock. It is to be called every 10 to 50 ms.
func (e *Estimator) Tick(now time.Time) {
	t := e.clock(now)
	e.limited.tick(t, e.estimate)
	if !e.outage && e.hears && e.silence(t) >= max(outageLeast, time.Duration(outageTrips*e.rtt*float64(time.Second))) {
		e.outage, e.cause, e.draining = true, CauseOutage, false
		e.history.doubt()
	}
}

// silence is how long nothing was heard of what is under way.
func (e *Estimator) silence(t time.Duration) time.Duration {
	if e.history.inFlight == 0 {
		return 0
	}
	return t - max(e.heard, e.history.oldest)
}

// resume ends an outage. The path may be another one: its times are measured anew.
func (e *Estimator) resume(t time.Duration) {
	e.outage = false
	e.groups, e.trend, e.queue, e.round = grouper{}, trend{}, queue{}, queue{}
	e.goodput.reset()
	e.sent.reset()
	e.losses.forget(t)
	e.decreased, e.increased, e.standing, e.fruitless = t, t, 0, 0
	e.set(resumeShare*e.estimate, CauseResumed)
	e.prober.soon(t)
}

// Probe hands out a probe that is to be sent, once each.
func (e *Estimator) Probe() (Probe, bool) {
	p := e.prober.wanted
	e.prober.wanted = Probe{}
	return p, p.ID != 0
}

// set changes the estimate within its bounds.
func (e *Estimator) set(bps float64, why Cause) {
	if math.IsNaN(bps) {
		return
	}
	if bps = min(max(bps, e.low), e.high); bps != e.estimate {
		e.estimate, e.cause = bps, why
	}
	if bps >= e.barred && (why == CauseIncrease || why == CauseProbe) {
		e.barred = 0 // the path has carried it since
	}
}

// Bound changes the bounds, and the estimate where it is outside of them.
func (e *Estimator) Bound(low, high int) error {
	if low <= 0 || high < low {
		return errors.New("rate: give 0 < low <= high")
	}
	if e.estimate > float64(high) && !e.Untried() {
		e.barred = max(e.barred, e.estimate) // the cut must not hide it
	}
	e.low, e.high = float64(low), float64(high)
	e.set(e.estimate, CauseBounds)
	return nil
}
