package rate

import "time"

const (
	// queueLong is a queue that is too long, whatever its trend, when it lasts for queueLasts; queueShort is one that is drained.
	queueLong, queueLasts = 60 * time.Millisecond, 120 * time.Millisecond
	queueShort            = 12 * time.Millisecond
	// queueLeast is a queue that may grow: it is empty now and then, and the trend is that of a few pictures.
	queueLeast = 8 * time.Millisecond
	// drainTime is within which a decrease drains the queue; leastDrain and mostDrain bound how far below the capacity it goes.
	drainTime             = 250 * time.Millisecond
	leastDrain, mostDrain = 0.88, 0.30
	// drainPatience is how long draining may take: afterwards the queue is not ours.
	drainPatience = 4 * time.Second
	// drainedShare of the capacity is used once the queue is empty.
	drainedShare = 0.95
	// fruitlessMost decreases in a row that do not shorten the queue by fruitlessPart, in fruitlessTime, mean that it is somebody
	// else's, or that the way has become longer.
	fruitlessMost = 3
	fruitlessPart = 0.2
	fruitlessTime = 3 * time.Second
	// holdTime is added to the time of a round trip in which a change cannot yet be seen.
	holdTime = 50 * time.Millisecond
	// lossShare of what arrives is kept in spite of loss.
	lossShare = 0.85
	// limitedDecrease is that of a sender that did not use what it had: what arrives is no measure then. Likewise where the queue
	// is shorter than queueBusy: it may have been empty in between.
	limitedDecrease = 0.9
	queueBusy       = 40 * time.Millisecond
	// growth is the increase per second where the capacity is not known.
	growth = 1.10
	// nearCapacity is the part of it from which on the increase is careful.
	nearCapacity = 0.85
	// packetBits and responseTime make the increase where it is (draft-ietf-rmcat-gcc-02, section 5.5): a packet more for each
	// time that it takes to see the effect, but at least leastIncrease of the estimate a second.
	packetBits    = 1200 * 8
	responseTime  = 100 * time.Millisecond
	leastIncrease = 0.025
	// overArrival bounds the estimate by what arrives, where the sender uses what it has.
	overArrival, overArrivalBits = 1.5, 10_000
	// longestStep is the time that one increase counts at most.
	longestStep = 500 * time.Millisecond
	// probeCalm is how long nothing may have been wrong before a probe under load.
	probeCalm = 1500 * time.Millisecond
	// deepFall is the part of the estimate below which what probes found before counts no more.
	deepFall = 0.5
	// doubtTime after a rise to what a probe found, overuse means that the probe was wrong.
	doubtTime = time.Second
	// full is the part of the upper bound from which there is nothing more to look for.
	full = 0.98
	// probeMost times the upper bound is the fastest probe.
	probeMost = 1.1
)

// control moves the estimate after a feedback.
func (e *Estimator) control(t time.Duration) {
	step := min(t-e.increased, longestStep)
	e.increased = t
	e.limited.tick(t, e.estimate)
	long := e.stands(t)
	if excess := e.losses.judge(t); excess > 0 && !e.draining && t-e.decreased > e.hold() {
		to := e.estimate * (1 - excess)
		if arrives, ok := e.goodput.rate(goodputTime); ok {
			to = max(to, lossShare*arrives) // about so much gets through
		}
		e.lower(t, to, CauseLoss)
		e.capacity.add(e.estimate)
	}
	e.readProbe(t)
	switch {
	case e.usage == Overuse && e.queue.wait >= queueLeast || long:
		if t-e.decreased > e.hold() {
			e.decrease(t)
		}
	case e.draining:
		e.drain(t)
	case e.usage == Normal && e.queue.wait < queueLong:
		e.increase(step)
	}
	e.wantProbe(t)
}

// stands tells whether the queue has been too long for too long.
func (e *Estimator) stands(t time.Duration) bool {
	if e.queue.wait < queueLong {
		e.standing = 0
		return false
	}
	if e.standing == 0 {
		e.standing = t
	}
	return t-e.standing >= queueLasts
}

// hold is the time in which the effect of a change cannot be seen yet.
func (e *Estimator) hold() time.Duration {
	return time.Duration(e.rtt*float64(time.Second)) + holdTime
}

func (e *Estimator) lower(t time.Duration, bps float64, why Cause) {
	e.decreased = t
	e.set(min(bps, e.estimate), why)
}

// decrease goes below what the path evidently carries, as far as its queue asks for.
func (e *Estimator) decrease(t time.Duration) {
	wait := e.queue.wait
	if e.hopeless(t, wait) {
		e.queue.rebase()
		e.trend, e.groups, e.standing, e.fruitless, e.draining = trend{}, grouper{}, 0, 0, false
		return
	}
	if e.raised != 0 && t-e.raised < doubtTime && wait > queueBusy {
		e.prober.wrong(t)
		e.set(min(e.estimate, e.trusted), CauseDelay)
	}
	if !e.draining {
		e.before, e.drains = e.estimate, t
	}
	e.raised = 0
	carried, ok := e.carried(wait)
	if !ok {
		e.lower(t, limitedDecrease*e.estimate, CauseDelay)
		return
	}
	e.capacity.add(carried)
	share := 1 - wait.Seconds()/(wait+drainTime).Seconds()
	share = min(max(share, mostDrain), leastDrain)
	e.lower(t, share*carried, CauseDelay)
	e.draining = true
	if e.estimate < deepFall*e.before {
		e.prober.soon(t) // it is another path now
	} else {
		e.prober.calm(t)
	}
}

// hopeless tells that the decreases before this one did not shorten the queue.
func (e *Estimator) hopeless(t, wait time.Duration) bool {
	if wait >= queueLong && e.waited > 0 && wait > time.Duration((1-fruitlessPart)*float64(e.waited)) && e.draining {
		e.fruitless++
	} else {
		e.fruitless = 0
	}
	e.waited = wait
	return e.fruitless >= fruitlessMost && t-e.drains > fruitlessTime
}

// carried is what the path delivers while it is full; ok is false where what arrives tells nothing of that.
func (e *Estimator) carried(wait time.Duration) (bps float64, ok bool) {
	bps, ok = e.goodput.rate(goodputTime)
	if short, known := e.goodput.rate(goodputShort); known && wait > 2*queueBusy && (!ok || short < bps) {
		bps, ok = short, true // there was no gap in so short a time
	}
	if !ok || wait < queueBusy && bps < limitedDecrease*e.before {
		return 0, false
	}
	if e.limited.active {
		sent, known := e.sent.rate(goodputShort)
		if !known || bps > 0.9*sent {
			return 0, false
		}
	}
	return min(bps, e.before), true
}

// drain waits for the queue to be empty and then goes back to the capacity.
func (e *Estimator) drain(t time.Duration) {
	switch {
	case e.queue.wait < queueShort:
		e.set(max(e.estimate, min(drainedShare*e.capacity.mean, e.before)), CauseDrained)
	case t-e.decreased < drainPatience:
		return
	}
	e.draining, e.fruitless, e.waited = false, 0, 0
}

// increase raises the estimate for a time in which nothing was in its way.
func (e *Estimator) increase(step time.Duration) {
	if e.limited.active {
		return // nothing says that more would get through
	}
	arrives, ok := e.goodput.rate(goodputTime)
	if ok && e.capacity.above(arrives) {
		e.capacity = capacity{}
	}
	to := e.estimate * (1 + (growth-1)*step.Seconds())
	if e.capacity.known && e.estimate > nearCapacity*e.capacity.mean {
		packets := packetBits / (time.Duration(e.rtt*float64(time.Second)) + responseTime).Seconds()
		to = e.estimate + max(packets, leastIncrease*e.estimate)*step.Seconds()
	}
	if ok {
		to = min(to, max(e.estimate, overArrival*arrives+overArrivalBits))
	}
	e.set(to, CauseIncrease)
}

// readProbe acts on what a probe found.
func (e *Estimator) readProbe(t time.Duration) {
	found, c, ok := e.prober.result()
	switch {
	case !ok:
	case found >= probeGain*e.estimate:
		if e.capacity.known && found > e.capacity.mean {
			e.capacity = capacity{}
		}
		e.raised, e.trusted, e.draining = t, e.estimate, false
		e.set(found, CauseProbe)
		e.prober.soon(t)
		if found >= probeOn*float64(c.Rate) && e.estimate < full*e.high {
			e.prober.ask(t, min(probeFactor*found, probeMost*e.high))
		}
	case found > 0 && c.first() && found < e.estimate:
		e.lower(t, found, CauseProbe) // nothing else is known yet
		e.capacity.add(found)
		e.prober.failed()
	default:
		e.prober.failed()
	}
}

// wantProbe asks for a probe when it is time.
func (e *Estimator) wantProbe(t time.Duration) {
	if e.prober.busy(t) || e.estimate >= full*e.high || e.draining || e.usage != Normal || e.queue.wait >= queueLong/2 {
		return
	}
	if !e.prober.started {
		e.prober.started = true
	} else if t < e.prober.due || t-e.decreased < probeCalm {
		return
	}
	e.prober.ask(t, min(probeFactor*e.estimate, probeMost*e.high))
}
