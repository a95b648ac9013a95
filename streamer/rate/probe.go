package rate

import "time"

const (
	// probeTime is how long a probe lasts; shorter ones measure the clock.
	probeTime = 20 * time.Millisecond
	// probePackets is the least number of packets of a probe.
	probePackets = 5
	// probeFactor is how far above the estimate a probe goes.
	probeFactor = 2.0
	// probeOn is the part of a probe's rate that must have been found for another one to follow at once.
	probeOn = 0.7
	// probeEnough of a probe's packets must have arrived.
	probeEnough = 0.8
	// probeFull is the part of the rate of sending below which the rate of arrival is the path's capacity; probeBelow is how much
	// of that is taken then.
	probeFull, probeBelow = 0.9, 0.92
	// probeGain is how much more than the estimate a probe must find to count as a success.
	probeGain = 1.08
	// probeGrowth makes probes that find nothing rarer, between probeSoon and probeLate.
	probeGrowth          = 1.6
	probeSoon, probeLate = 2 * time.Second, 10 * time.Second
	// probeExpires is when a probe that was not sent or not answered is given up.
	probeExpires = time.Second
)

// Probe asks for packets to be sent at Rate for a moment, padding where there is nothing else to send.
type Probe struct {
	// ID is to be given with each of its packets, see [Packet]; never 0.
	ID int
	// Rate is in bit/s, Bytes the sum of the sizes. Packets is the least number.
	Rate, Bytes, Packets int
}

// cluster is a probe under way.
type cluster struct {
	Probe
	begun               time.Duration
	bytes, packets      int
	firstSent, lastSent time.Duration
	firstSeen, lastSeen time.Duration
	firstSize, lastSize int // of the first to arrive and of the last sent
}

// first tells that it is the one that begins: the estimate rests on nothing else yet.
func (c *cluster) first() bool { return c.ID == 1 }

// prober decides when to probe and reads the answers.
type prober struct {
	ids     int
	wanted  Probe   // to be fetched by the sender, ID 0 for none
	open    cluster // ID 0 for none
	due     time.Duration
	every   time.Duration
	started bool
}

// ask makes a probe at a rate.
func (p *prober) ask(now time.Duration, rate float64) {
	p.ids++
	bytes := int(rate / 8 * probeTime.Seconds())
	p.wanted = Probe{ID: p.ids, Rate: int(rate), Bytes: bytes, Packets: probePackets}
	p.open = cluster{Probe: p.wanted, begun: now}
	p.due = now + p.every
}

// busy tells that a probe is under way; one that was never answered is not for ever.
func (p *prober) busy(now time.Duration) bool {
	if p.open.ID != 0 && now-p.open.begun > probeExpires {
		p.failed()
	}
	return p.open.ID != 0
}

// failed makes the next probe later.
func (p *prober) failed() {
	p.open, p.wanted = cluster{}, Probe{}
	longer := min(time.Duration(float64(p.every)*probeGrowth), probeLate)
	p.due += longer - p.every
	p.every = longer
}

// wrong makes it as late as can be: the path lets bursts pass that it does not carry for long.
func (p *prober) wrong(now time.Duration) {
	p.open, p.wanted = cluster{}, Probe{}
	p.every = probeLate
	p.due = now + p.every
}

// calm lets the next probe not come right after a decrease.
func (p *prober) calm(now time.Duration) {
	p.open, p.wanted = cluster{}, Probe{}
	p.due = max(p.due, now+probeSoon)
}

// soon lets the next probe come within the shortest time, as after the path has changed.
func (p *prober) soon(now time.Duration) {
	p.open, p.wanted = cluster{}, Probe{}
	p.every = probeSoon
	p.due = now + p.every
}

// arrive takes a packet of a probe that arrived.
func (p *prober) arrive(id int, sent, seen time.Duration, size int) {
	c := &p.open
	if id == 0 || id != c.ID {
		return
	}
	if c.packets == 0 {
		c.firstSent, c.lastSent, c.firstSeen, c.lastSeen, c.firstSize, c.lastSize = sent, sent, seen, seen, size, size
	}
	if sent < c.firstSent {
		c.firstSent = sent
	}
	if sent >= c.lastSent {
		c.lastSent, c.lastSize = sent, size
	}
	if seen < c.firstSeen {
		c.firstSeen, c.firstSize = seen, size
	}
	c.lastSeen = max(c.lastSeen, seen)
	c.bytes += size
	c.packets++
}

// result is what the open probe found, once enough of it arrived. The probe is over then.
func (p *prober) result() (found float64, done cluster, ok bool) {
	c := p.open
	if c.ID == 0 || c.packets < probePackets || float64(c.bytes) < probeEnough*float64(c.Bytes) {
		return 0, c, false
	}
	p.open, p.wanted = cluster{}, Probe{}
	sent := float64(c.bytes-c.lastSize) * 8 / (c.lastSent - c.firstSent).Seconds()
	seen := float64(c.bytes-c.firstSize) * 8 / (c.lastSeen - c.firstSeen).Seconds()
	// A burst that arrived faster than twice its own rate was held up on the way: it measures nothing.
	if c.lastSent <= c.firstSent || c.lastSeen <= c.firstSeen || seen > 2*sent {
		return 0, c, true
	}
	if seen < probeFull*sent {
		return probeBelow * seen, c, true
	}
	return min(sent, seen, float64(c.Rate)*probeGain), c, true
}
