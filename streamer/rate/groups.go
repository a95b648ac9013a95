package rate

import "time"

const (
	// burstTime is how far apart packets of a group are sent at most; a pacer's burst is one measurement, not many
	// (draft-ietf-rmcat-gcc-02, section 5.2).
	burstTime = 5 * time.Millisecond
	// maxBurst is how long a group may take to arrive, where the path itself sends in bursts, as Wi-Fi does.
	maxBurst = 100 * time.Millisecond
	// clockJump is a difference of the two clocks that no queue explains.
	clockJump = 3 * time.Second
	// maxReordered groups in a row mean that the receiver's clock was set back.
	maxReordered = 3
)

// group is packets that were sent together.
type group struct {
	begun               bool
	firstSent, lastSent time.Duration
	firstSeen, lastSeen time.Duration // on the receiver's clock
}

// grouper makes groups of packets and measures from one to the next.
type grouper struct {
	now, before group
	reordered   int
}

// step is from one group to the next.
type step struct {
	sent, seen time.Duration // between the groups, on either clock
	at         time.Duration // when the later one had arrived
}

// add takes a packet that arrived, in the order of sending, and returns the step to the group that it completed.
func (g *grouper) add(sent, seen time.Duration) (s step, ok bool) {
	switch {
	case !g.now.begun:
		g.now = newGroup(sent, seen)
		return s, false
	case sent < g.now.firstSent:
		return s, false // of a group that is past
	case g.now.holds(sent, seen):
		g.now.lastSent, g.now.lastSeen = max(g.now.lastSent, sent), max(g.now.lastSeen, seen)
		return s, false
	}
	if g.before.begun {
		s = step{sent: g.now.lastSent - g.before.lastSent, seen: g.now.lastSeen - g.before.lastSeen, at: g.now.lastSeen}
		switch jump := s.seen - s.sent; {
		case jump >= clockJump || jump <= -clockJump:
			*g = grouper{}
			return step{}, false
		case s.seen < 0:
			if g.reordered++; g.reordered >= maxReordered {
				*g = grouper{}
			}
			return step{}, false
		}
		g.reordered, ok = 0, true
	}
	g.before, g.now = g.now, newGroup(sent, seen)
	return s, ok
}

func newGroup(sent, seen time.Duration) group {
	return group{begun: true, firstSent: sent, lastSent: sent, firstSeen: seen, lastSeen: seen}
}

// holds tells whether a packet belongs to the group: sent within the burst, or caught up with it on the way.
func (g *group) holds(sent, seen time.Duration) bool {
	if sent-g.firstSent <= burstTime {
		return true
	}
	apart, later := seen-g.lastSeen, sent-g.lastSent
	return apart < later && apart <= burstTime && seen-g.firstSeen < maxBurst
}
