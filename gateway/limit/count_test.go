package limit

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// However many take at once, no key has more than its most, and what was given back can be taken again.
func TestCount(t *testing.T) {
	t.Parallel()
	c := NewCount()
	var open, top atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 200 {
				if !c.Take("a", 7) {
					continue
				}
				n := open.Add(1)
				for top.Load() < n && !top.CompareAndSwap(top.Load(), n) {
				}
				open.Add(-1)
				c.Give("a")
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, top.Load(), int64(7))
	require.Zero(t, c.All())
	require.Zero(t, c.Keys(), "nothing is kept of who has none")
	for range 100 {
		require.True(t, c.Take("b", 0), "0 is no limit")
	}
	require.True(t, c.Take("a", 1), "each key has its own")
	require.False(t, c.Take("a", 1))
	require.Equal(t, 101, c.All())
}

// fakeModel stands for a read model that lags behind.
type fakeModel struct {
	mu   sync.Mutex
	live map[events.SessionID]bool
}

func (m *fakeModel) LiveOf(string) int                { return len(m.live) }
func (m *fakeModel) Created(id events.SessionID) bool { return m.live[id] }
func (m *fakeModel) read(fn func(Model)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn(m)
}

// Of creations that come at once exactly as many get through as there is room, whether the model has them before they
// are done or not.
func TestSessionsExact(t *testing.T) {
	t.Parallel()
	const most = 20
	s, m := NewSessions(), &fakeModel{live: map[events.SessionID]bool{}}
	var through atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			id := events.SessionID(uuid.NewString())
			done, ok := s.Begin("a", id, most, m.read)
			if !ok {
				return
			}
			through.Add(1)
			m.mu.Lock()
			m.live[id] = true
			m.mu.Unlock()
			done()
		})
	}
	all.Wait()
	require.Equal(t, int64(most), through.Load())
	require.Empty(t, s.begun)
	_, ok := s.Begin("a", "x", most, m.read)
	require.False(t, ok)
	done, ok := s.Begin("a", "x", 0, m.read)
	require.True(t, ok, "0 is no limit")
	done()
	// One that failed leaves its place.
	done, ok = s.Begin("a", "y", most+1, m.read)
	require.True(t, ok)
	_, ok = s.Begin("a", "z", most+1, m.read)
	require.False(t, ok)
	done()
	done, ok = s.Begin("a", "z", most+1, m.read)
	require.True(t, ok)
	done()
}
