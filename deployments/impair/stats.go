package impair

import (
	"math"
	"math/bits"
	"time"
)

// Count is of packets and their bytes, [Overhead] included.
type Count struct{ Packets, Bytes uint64 }

func (c *Count) add(bytes int) {
	c.Packets++
	c.Bytes += uint64(bytes)
}

func (c Count) since(earlier Count) Count {
	return Count{c.Packets - earlier.Packets, c.Bytes - earlier.Bytes}
}

// Stats are the counts of one direction. What is neither delivered nor dropped is on its way.
type Stats struct {
	Offered   Count
	Delivered Count
	// Dropped is by cause; that of [Passed] stays zero.
	Dropped [causes]Count
	// Missed is how many packets the kernel dropped before the relay could read them, on the socket with the most: they are
	// not in Offered. A measurement with such is void.
	Missed uint64
	// Queued is the time to pass the bottleneck, of the packets that did.
	Queued Delays
	// Late is how much later than due packets were delivered: what the relay adds by itself.
	Late Delays
}

// Since are the counts from an earlier look on.
func (s Stats) Since(earlier Stats) Stats {
	d := Stats{
		Offered: s.Offered.since(earlier.Offered), Delivered: s.Delivered.since(earlier.Delivered), Missed: s.Missed - earlier.Missed,
		Queued: s.Queued.since(earlier.Queued), Late: s.Late.since(earlier.Late),
	}
	for i := range s.Dropped {
		d.Dropped[i] = s.Dropped[i].since(earlier.Dropped[i])
	}
	return d
}

// LossRate is the part of the packets that were dropped, for whatever cause, of those whose fate is known.
func (s Stats) LossRate() float64 {
	var dropped uint64
	for _, c := range s.Dropped {
		dropped += c.Packets
	}
	if dropped == 0 {
		return 0
	}
	return float64(dropped) / float64(dropped+s.Delivered.Packets)
}

// Delays count durations in classes that are an eighth of a power of two wide, from a microsecond on; below it all are one.
type Delays struct {
	classes [8 * (64 - 9)]uint64
	count   uint64
	sum     time.Duration
}

func (d *Delays) add(t time.Duration) {
	t = max(t, 0)
	d.classes[class(t)]++
	d.count++
	d.sum += t
}

func (d Delays) since(earlier Delays) Delays {
	for i := range d.classes {
		d.classes[i] -= earlier.classes[i]
	}
	d.count -= earlier.count
	d.sum -= earlier.sum
	return d
}

// Count is how many there are.
func (d Delays) Count() uint64 { return d.count }

// Mean is 0 where there are none.
func (d Delays) Mean() time.Duration {
	if d.count == 0 {
		return 0
	}
	return d.sum / time.Duration(d.count)
}

// Quantile is what the part p of the durations, 0 to 1, does not exceed: the upper end of a class, so too much by an eighth
// at most; 0 where there are none. Quantile(1) bounds the longest.
func (d Delays) Quantile(p float64) time.Duration {
	if d.count == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(min(p, 1)*float64(d.count))), 1)
	var sum uint64
	for i, n := range d.classes {
		if sum += n; sum >= rank {
			return top(i)
		}
	}
	return 0
}

// class of a duration: its power of two and the three bits that follow.
func class(t time.Duration) int {
	v := uint64(t) >> 7 // 128 ns: the first whole class then begins at 1024 ns
	if v < 8 {
		return 0
	}
	power := bits.Len64(v) - 4
	return 8*power + int(v>>power) - 7
}

// top is the longest duration of a class, to the nanosecond.
func top(class int) time.Duration {
	if class == 0 {
		return 1<<10 - 1
	}
	power, part := (class-1)/8, (class-1)%8
	return time.Duration(uint64(part+9)<<power<<7) - 1
}
