package peer

import (
	"sync"
	"time"
)

// How long a gap between two pictures may be before it counts as a freeze: freezeFrames frame intervals and freezeSlack.
// webrtc-stats counts a freeze in a receiver when a gap is longer than three mean intervals, or than the mean and 150 ms,
// whichever is more; ours looks at what is sent, where a picture that is one interval late is nothing yet.
const (
	freezeFrames = 2
	freezeSlack  = 100 * time.Millisecond
	// defaultFPS is assumed where Config.FPS is zero.
	defaultFPS = 30
)

// freezeMeter finds the times in which the picture stands still because nothing is sent. Captures read the screen at a
// constant rate, also where nothing moves on it, so a gap is always a fault: the machine, the encoder or the queue.
type freezeMeter struct {
	limit time.Duration // the longest gap that is none

	mu    sync.Mutex
	last  time.Time     // of the picture sent last, zero before the first
	told  time.Time     // up to when the present freeze is in total, zero when there is none
	count uint64        // freezes begun
	total time.Duration // spent in them, each from the picture before it
}

func newFreezeMeter(fps int) *freezeMeter {
	return &freezeMeter{limit: freezeFrames*time.Second/time.Duration(fps) + freezeSlack}
}

// sent takes the time of a picture.
func (m *freezeMeter) sent(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upTo(now)
	m.last, m.told = now, time.Time{}
}

// stats are the freezes begun by now and the time spent in them, one that lasts included.
func (m *freezeMeter) stats(now time.Time) (count uint64, total time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upTo(now)
	return m.count, m.total
}

func (m *freezeMeter) upTo(now time.Time) {
	if m.last.IsZero() || now.Sub(m.last) <= m.limit {
		return
	}
	if m.told.IsZero() {
		m.count++
		m.told = m.last
	}
	if now.After(m.told) {
		m.total += now.Sub(m.told)
		m.told = now
	}
}
