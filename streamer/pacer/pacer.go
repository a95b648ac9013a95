package pacer

import "time"

// Class is the rank of a packet, the lowest first.
type Class uint8

// The classes.
const (
	// Audio is sound. It waits for nothing.
	Audio Class = iota
	// Repeat is a packet that the receiver asks for again: a picture waits for it there.
	Repeat
	// Video is packets of pictures.
	Video
	classes
)

const (
	// maxQueued bounds each class, in packets; Put tells when one is full.
	maxQueued = 4096
	// slack is how much of its rate a sender may make up for that woke up late.
	slack = 20 * time.Millisecond
	// probeTimeout ends a probe that finds no packets and may not pad.
	probeTimeout = 300 * time.Millisecond
)

// Turn is what may be done now.
type Turn[T any] struct {
	// Item is the packet to send; OK tells that there is one.
	Item  T
	Class Class
	OK    bool
	// Pad asks for a packet of padding instead.
	Pad bool
	// Probe is the id of the probe that the packet belongs to, 0 for none.
	Probe int
	// Wait is how long to wait before the next turn where there is neither; 0 means until something is put in or changed.
	Wait time.Duration
}

type waiting[T any] struct {
	item T
	size int
}

// Pacer is the queue of packets. Make it with [New].
type Pacer[T any] struct {
	queues [classes][]waiting[T]
	bytes  [classes]int
	rate   float64 // bytes per second
	depth  float64 // bytes
	bucket float64 // bytes that may go now; negative for a debt
	last   time.Time
	idle   bool // nothing waited at the last turn
	pad    int
	probe  probe
}

type probe struct {
	id, bytes, packets int
	rate               float64 // bytes per second
	asked, begun       time.Time
	sent, sentPackets  int
}

// New makes a pacer. pad is the size of a packet of padding on the wire, in bytes.
func New[T any](pad int) *Pacer[T] { return &Pacer[T]{pad: max(1, pad)} }

// SetRate says how fast packets may go, in bit/s, and how many bytes at once.
func (p *Pacer[T]) SetRate(now time.Time, bps, burst int) {
	first := p.last.IsZero()
	p.refill(now)
	p.rate, p.depth = float64(max(bps, 1))/8, float64(max(burst, 1))
	if p.bucket = min(p.bucket, p.depth); first {
		p.bucket = p.depth
	}
}

// SetProbe asks for a probe of bytes and at least packets, at a rate in bit/s. It replaces one that has not ended.
func (p *Pacer[T]) SetProbe(now time.Time, id, bps, bytes, packets int) {
	p.probe = probe{id: id, rate: float64(max(bps, 1)) / 8, bytes: bytes, packets: packets, asked: now}
}

// Put takes a packet of a size on the wire. It returns false, and takes nothing, where the class is full.
func (p *Pacer[T]) Put(c Class, item T, size int) bool {
	if c >= classes || len(p.queues[c]) >= maxQueued {
		return false
	}
	p.queues[c] = append(p.queues[c], waiting[T]{item, max(1, size)})
	p.bytes[c] += max(1, size)
	return true
}

// Bytes is what waits in a class.
func (p *Pacer[T]) Bytes(c Class) int { return p.bytes[c] }

// Drop empties a class.
func (p *Pacer[T]) Drop(c Class) { p.queues[c], p.bytes[c] = nil, 0 }

// Next takes out what may be sent now. room is how many bytes may still be under way: without any, only sound goes. padding tells
// that a packet of padding may be sent: not within a picture.
func (p *Pacer[T]) Next(now time.Time, room int, padding bool) Turn[T] {
	p.refill(now)
	p.idle = len(p.queues[Repeat])+len(p.queues[Video]) == 0
	if len(p.queues[Audio]) > 0 {
		return p.take(Audio, p.probing(now))
	}
	if room <= 0 {
		return Turn[T]{}
	}
	if p.probe.id != 0 && (p.probing(now) != 0 || padding) {
		return p.nextOfProbe(now, padding)
	}
	for c := Repeat; c < classes; c++ {
		if len(p.queues[c]) == 0 {
			continue
		}
		if p.bucket <= 0 {
			return Turn[T]{Wait: p.until(p.bucket)}
		}
		return p.take(c, 0)
	}
	return Turn[T]{}
}

// nextOfProbe sends what there is at the probe's rate, and padding after it.
func (p *Pacer[T]) nextOfProbe(now time.Time, padding bool) Turn[T] {
	if p.probe.begun.IsZero() {
		p.probe.begun = now
	}
	due := p.probe.begun.Add(time.Duration(float64(p.probe.sent) / p.probe.rate * float64(time.Second)))
	if wait := due.Sub(now); wait > 0 {
		return Turn[T]{Wait: wait}
	}
	for c := Repeat; c < classes; c++ {
		if len(p.queues[c]) > 0 {
			return p.take(c, p.probe.id)
		}
	}
	if !padding {
		return Turn[T]{} // the last packet of a picture has just gone, or the next is being made
	}
	id := p.probe.id
	p.count(p.pad)
	return Turn[T]{Pad: true, Probe: id}
}

// probing is the id of the probe that has begun, 0 for none.
func (p *Pacer[T]) probing(now time.Time) int {
	if p.probe.id != 0 && now.Sub(p.probe.asked) > probeTimeout {
		p.probe = probe{}
	}
	if p.probe.begun.IsZero() {
		return 0
	}
	return p.probe.id
}

func (p *Pacer[T]) take(c Class, probe int) Turn[T] {
	w := p.queues[c][0]
	p.queues[c][0] = waiting[T]{}
	if p.queues[c] = p.queues[c][1:]; len(p.queues[c]) == 0 {
		p.queues[c] = nil
	}
	p.bytes[c] -= w.size
	p.bucket -= float64(w.size)
	if probe != 0 {
		p.count(w.size)
	}
	return Turn[T]{Item: w.item, Class: c, OK: true, Probe: probe}
}

// count notes what was sent of the probe, and ends it.
func (p *Pacer[T]) count(size int) {
	p.probe.sent += size
	p.probe.sentPackets++
	if p.probe.sent >= p.probe.bytes && p.probe.sentPackets >= p.probe.packets {
		p.probe = probe{}
	}
}

func (p *Pacer[T]) refill(now time.Time) {
	if p.last.IsZero() {
		p.last = now
	}
	if passed := now.Sub(p.last); passed > 0 {
		p.bucket += p.rate * passed.Seconds()
		p.last = now
	}
	most := p.depth
	if !p.idle {
		most = max(most, p.rate*slack.Seconds())
	}
	p.bucket = min(p.bucket, most)
	// What was sent at once by a probe or as sound holds the rest back only so long.
	p.bucket = max(p.bucket, -p.rate*maxDebt.Seconds())
}

// maxDebt bounds the debt.
const maxDebt = 100 * time.Millisecond

// until is when the bucket is above nothing again.
func (p *Pacer[T]) until(bucket float64) time.Duration {
	return max(time.Duration((1-bucket)/p.rate*float64(time.Second)), 100*time.Microsecond)
}
