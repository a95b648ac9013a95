package peer

import (
	"maps"
	"sync"
	"time"
)

// keyframeInterval is the least time between two key frames asked for: one costs several times a plain picture.
const keyframeInterval = 500 * time.Millisecond

// keyframeGate passes requests for key frames on, at most one per keyframeInterval. A request that comes too early is
// served at the end of the interval, unless a key frame was sent in between.
type keyframeGate struct {
	ask func(KeyframeCause)

	mu      sync.Mutex
	next    time.Time     // no request passes before
	pending KeyframeCause // what waits for next, if anything
	timer   *time.Timer
	closed  bool
	asked   KeyframeCause            // what passed and was not answered yet
	answers map[KeyframeCause]uint64 // key frames sent, by what they answered
}

func newKeyframeGate(ask func(KeyframeCause)) *keyframeGate {
	return &keyframeGate{ask: ask, answers: map[KeyframeCause]uint64{}}
}

// request asks for a key frame, now or when the interval is over.
func (g *keyframeGate) request(cause KeyframeCause) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.pending != "" {
		return
	}
	wait := time.Until(g.next)
	if wait <= 0 {
		g.pass(cause)
		return
	}
	g.pending = cause
	g.timer = time.AfterFunc(wait, g.servePending)
}

// sent notes that a key frame is about to go out: it answers every request made before.
func (g *keyframeGate) sent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[firstCause(g.asked, g.pending, KeyframeEncoder)]++
	g.asked, g.pending = "", ""
	if g.timer != nil {
		g.timer.Stop()
	}
	g.next = time.Now().Add(keyframeInterval)
}

func (g *keyframeGate) servePending() {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A timer that fired while sent() or close() ran finds nothing to do; one that fired for an older request finds
	// the time not yet come, and a newer timer set.
	if g.closed || g.pending == "" || time.Until(g.next) > 0 {
		return
	}
	cause := g.pending
	g.pending = ""
	g.pass(cause)
}

func (g *keyframeGate) pass(cause KeyframeCause) {
	g.next = time.Now().Add(keyframeInterval)
	g.asked = firstCause(g.asked, cause)
	g.ask(cause)
}

// answered counts the key frames sent, by why they were made.
func (g *keyframeGate) answered() map[KeyframeCause]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.answers)
}

// firstCause is the first that is one.
func firstCause(causes ...KeyframeCause) KeyframeCause {
	for _, c := range causes {
		if c != "" {
			return c
		}
	}
	return ""
}

func (g *keyframeGate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.timer != nil {
		g.timer.Stop()
	}
}
