package peer

import (
	"sync"
	"time"

	"streamstack/streamer/cadence"
	"streamstack/streamer/frame"
)

// How long a gap between two pictures may be before it counts as a freeze: freezeFrames frame intervals and freezeSlack.
// webrtc-stats counts a freeze in a receiver when a gap is longer than three mean intervals, or than the mean and 150 ms,
// whichever is more; ours looks at what is sent, where a picture that is one interval late is nothing yet.
const (
	freezeFrames = 2
	freezeSlack  = 100 * time.Millisecond
	// silence is how long nothing may come of a screen of which nothing is known: twice the time to the next keep-alive.
	silence = 2 * cadence.KeepAlive
	// defaultFPS is assumed where Config.FPS is zero.
	defaultFPS = 30
)

// freezeMeter finds the times in which the picture stands still though it should not: something on the screen has changed, and is not sent for
// too long. A gap in which nothing changes is none, as long as the capture's keep-alive comes: without that nobody knows what the screen does,
// and something is at fault, the machine, the encoder or the queue.
type freezeMeter struct {
	limit time.Duration // the longest time for a change to be sent that is none

	mu    sync.Mutex
	last  time.Time     // of the picture sent last, zero before the first
	told  time.Time     // up to when the present freeze is in total, zero when there is none
	count uint64        // freezes begun
	total time.Duration // spent in them, each from the picture before it
}

func newFreezeMeter(fps int) *freezeMeter {
	return &freezeMeter{limit: freezeFrames*time.Second/time.Duration(fps) + freezeSlack}
}

// sent takes a picture that is sent now.
func (m *freezeMeter) sent(now time.Time, v frame.Video) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := m.last // when the picture that was shown stopped being right
	if v.ChangedAt.After(since) {
		since = v.ChangedAt
	}
	if !m.last.IsZero() && !v.Still {
		m.upTo(now, since, m.limit)
	}
	m.last, m.told = now, time.Time{}
}

// stats are the freezes begun by now and the time spent in them, one that lasts included.
func (m *freezeMeter) stats(now time.Time) (count uint64, total time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.last.IsZero() {
		m.upTo(now, m.last, silence+m.limit)
	}
	return m.count, m.total
}

// upTo counts a freeze that has lasted since a time, if it is longer than a limit.
func (m *freezeMeter) upTo(now, since time.Time, limit time.Duration) {
	if now.Sub(since) <= limit {
		return
	}
	if m.told.IsZero() {
		m.count++
		m.told = since
	}
	if now.After(m.told) {
		m.total += now.Sub(m.told)
		m.told = now
	}
}
