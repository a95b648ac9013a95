package peer

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is when and why key frames were asked for, in time since the start.
type asked struct {
	at    time.Duration
	cause KeyframeCause
}

type askedList struct {
	mu    sync.Mutex
	calls []asked
}

func (l *askedList) all() []asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func newTestGate() (*keyframeGate, *askedList) {
	start, list := time.Now(), &askedList{}
	return newKeyframeGate(func(c KeyframeCause) {
		list.mu.Lock()
		defer list.mu.Unlock()
		list.calls = append(list.calls, asked{time.Since(start), c})
	}), list
}

// The bubble of synctest has a clock of its own, so these sleeps take no time.
func TestKeyframesAreRare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, calls := newTestGate()
		for range 120 { // two seconds of a client that asks at every picture
			g.request(KeyframePLI)
			time.Sleep(time.Second / 60)
		}
		synctest.Wait()
		require.Equal(t, []asked{
			{0, KeyframePLI}, {keyframeInterval, KeyframePLI}, {2 * keyframeInterval, KeyframePLI}, {3 * keyframeInterval, KeyframePLI},
		}, calls.all())
		g.close()
	})
}

func TestKeyframeRequestIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, calls := newTestGate()
		g.sent()
		time.Sleep(100 * time.Millisecond)
		g.request(KeyframeFIR)
		g.request(KeyframePLI)
		synctest.Wait()
		require.Empty(t, calls.all())
		time.Sleep(keyframeInterval)
		synctest.Wait()
		require.Equal(t, []asked{{keyframeInterval, KeyframeFIR}}, calls.all())
		g.close()
	})
}

func TestKeyframeSentAnswersRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, calls := newTestGate()
		g.request(KeyframeStart)
		time.Sleep(30 * time.Millisecond)
		g.request(KeyframePLI) // of a client that saw the first pictures, before the key frame
		time.Sleep(10 * time.Millisecond)
		g.sent()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []asked{{0, KeyframeStart}}, calls.all())
		g.close()
		g.request(KeyframePLI)
		require.Len(t, calls.all(), 1, "a closed gate is silent")
	})
}

func TestKeyframesAreCountedByWhatTheyAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := newTestGate()
		defer g.close()
		g.request(KeyframeStart)
		g.request(KeyframePLI) // waits, and the first answers it too
		g.sent()
		g.sent() // the encoder's own idea
		g.request(KeyframeFIR)
		time.Sleep(2 * keyframeInterval)
		g.request(KeyframeOverflow)
		g.sent()
		g.request(KeyframePLI) // too early, and served by a key frame that comes before its time
		g.sent()
		require.Equal(t, map[KeyframeCause]uint64{KeyframeStart: 1, KeyframeEncoder: 1, KeyframeFIR: 1, KeyframePLI: 1}, g.answered())
	})
}
