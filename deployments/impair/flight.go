package impair

import (
	"container/heap"
	"time"
)

// maxFlight is how many packets may be on their way in one direction: 100 Mbit/s of full packets for five seconds.
const maxFlight = 1 << 16

// packet is on its way. Its memory is taken from and given back to the relay.
type packet struct {
	at      time.Duration // when it is due
	number  uint64        // in the order in which they came
	flow    *flow
	payload []byte
}

// flight is what is on its way in one direction, the next one due first; of those due at once, the first to have come.
type flight struct {
	link    *Link
	stats   Stats
	packets []packet
	number  uint64
}

// take offers a packet to the link and keeps it if it is to be delivered.
func (f *flight) take(now time.Duration, to *flow, payload []byte) (kept bool) {
	bytes := len(payload) + Overhead
	f.stats.Offered.add(bytes)
	if len(f.packets) >= maxFlight {
		f.stats.Dropped[Refused].add(bytes)
		return false
	}
	fate := f.link.Offer(now, bytes)
	if fate.Cause == Passed || fate.Cause == Lost {
		f.stats.Queued.add(fate.Queued)
	}
	if fate.Cause != Passed {
		f.stats.Dropped[fate.Cause].add(bytes)
		return false
	}
	f.number++
	heap.Push(f, packet{fate.At, f.number, to, payload})
	return true
}

// next is when the next packet is due; ok is false where there is none.
func (f *flight) next() (at time.Duration, ok bool) {
	if len(f.packets) == 0 {
		return 0, false
	}
	return f.packets[0].at, true
}

// due takes out the next packet that is due by now.
func (f *flight) due(now time.Duration) (p packet, ok bool) {
	if len(f.packets) == 0 || f.packets[0].at > now {
		return packet{}, false
	}
	p, ok = heap.Pop(f).(packet)
	return p, ok
}

// delivered counts a packet that was due at a time and sent now.
func (f *flight) delivered(p packet, now time.Duration) {
	f.stats.Delivered.add(len(p.payload) + Overhead)
	f.stats.Late.add(now - p.at)
}

// Len implements heap.Interface.
func (f *flight) Len() int { return len(f.packets) }

// Less implements heap.Interface.
func (f *flight) Less(i, j int) bool {
	a, b := &f.packets[i], &f.packets[j]
	return a.at < b.at || a.at == b.at && a.number < b.number
}

// Swap implements heap.Interface.
func (f *flight) Swap(i, j int) { f.packets[i], f.packets[j] = f.packets[j], f.packets[i] }

// Push implements heap.Interface.
func (f *flight) Push(x any) {
	if p, ok := x.(packet); ok {
		f.packets = append(f.packets, p)
	}
}

// Pop implements heap.Interface.
func (f *flight) Pop() any {
	last := len(f.packets) - 1
	p := f.packets[last]
	f.packets[last] = packet{}
	f.packets = f.packets[:last]
	return p
}
