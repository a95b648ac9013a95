package streamer

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/frame"
)

// ear counts what it is sent.
type ear struct{ keys, deltas, sounds int }

func (e *ear) WriteVideo(v frame.Video) {
	if v.Keyframe {
		e.keys++
	} else {
		e.deltas++
	}
}
func (e *ear) WriteAudio(frame.Audio) { e.sounds++ }

// house is an audience on a clock of the test's.
func house(t *testing.T) (a *audience, clock *time.Time, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	a = newAudience(slog.New(slog.DiscardHandler), func() { asked.Add(1) })
	now := time.Unix(1_000_000, 0)
	a.now = func() time.Time { return now }
	return a, &now, asked
}

var key, delta = frame.Video{Keyframe: true}, frame.Video{}

// A viewer in trouble is sent a key frame every now and then; the others notice nothing.
func TestViewerInTroubleIsThinned(t *testing.T) {
	t.Parallel()
	a, now, _ := house(t)
	good, bad := &ear{}, &ear{}
	a.add(good)
	a.add(bad)
	a.video(key)
	for range trouble {
		*now = now.Add(time.Second)
		a.keyframe(bad, true)
		a.video(delta)
	}
	require.True(t, a.thinned(bad))
	require.False(t, a.thinned(good))
	require.Equal(t, trouble-1, bad.deltas)
	require.Equal(t, trouble, good.deltas)

	*now = now.Add(thinEvery / 2)
	a.video(key)
	require.Equal(t, 1, bad.keys, "not so soon")
	*now = now.Add(thinEvery)
	a.video(delta)
	a.video(key)
	a.video(delta)
	a.audio(frame.Audio{})
	require.Equal(t, ear{2, trouble - 1, 1}, *bad)
	require.Equal(t, 3, good.keys)

	*now = now.Add(thinTime)
	a.video(key)
	a.video(delta)
	require.False(t, a.thinned(bad), "it is tried again, from a key frame on")
	require.Equal(t, ear{3, trouble, 1}, *bad)
	for range trouble {
		a.keyframe(bad, true)
	}
	*now = now.Add(thinTime + thinEvery)
	a.video(key)
	require.True(t, a.thinned(bad), "the second time is longer")
	a.remove(bad)
	a.video(key)
	require.Equal(t, 4, bad.keys)
}

// An estimate that has fallen far below the encoder's bitrate is trouble; one that rises, or is low from the start, is none yet.
func TestViewerWithANarrowNetwork(t *testing.T) {
	t.Parallel()
	a, now, _ := house(t)
	v := &ear{}
	a.add(v)
	for range 30 {
		a.video(frame.Video{Data: make([]byte, 50_000)})
		*now = now.Add(100 * time.Millisecond) // 4 Mbit/s
	}
	for _, estimate := range []int{1_000_000, 1_200_000, 4_000_000, 3_000_000} {
		a.estimated(v, estimate)
		require.False(t, a.thinned(v))
	}
	a.estimated(v, 1_000_000)
	require.True(t, a.thinned(v))
	a.estimated(&ear{}, 1) // nobody we know
	a.keyframe(&ear{}, true)
}

// Many viewers' wishes are one key frame, and one that comes by itself is theirs too.
func TestWishesForKeyframesAreOne(t *testing.T) {
	t.Parallel()
	a, _, asked := house(t)
	a.now = time.Now
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.run(ctx) }()
	var viewers []*ear
	for range 10 {
		v := &ear{}
		viewers = append(viewers, v)
		a.add(v)
		a.keyframe(v, false)
	}
	count := func(n int64) {
		t.Helper()
		eventstest.Wait(t, patience, func() string {
			if asked.Load() < n {
				return "a key frame asked for"
			}
			return ""
		})
	}
	count(1)
	begun := time.Now()
	a.video(key)
	a.keyframe(viewers[0], false)
	count(2)
	require.GreaterOrEqual(t, time.Since(begun), viewerKeyEvery)
	require.LessOrEqual(t, asked.Load(), int64(3), "the ten came in one or two")
	cancel()
	<-ended
}
