package streamer

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/frame"
)

// slow is an encoder that takes its time for each picture: what is asked for meanwhile is of the next one.
type slow struct {
	*playing
	mu sync.Mutex
	to bool // make a key frame
}

func (s *slow) RequestKeyframe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = true
}

// run makes 60 pictures a second, or as many as it can, until stop is closed, and calls key after each key frame.
func (s *slow) run(encode time.Duration, key func()) {
	tick := time.NewTicker(time.Second / 60)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		isKey := s.to
		s.to = false
		s.mu.Unlock()
		time.Sleep(encode)
		if isKey {
			key()
		}
	}
}

// Whenever key frames are asked for, by the client and for viewers, and however long an encoder takes for a picture: two are never
// closer than keyEvery, and nobody who asks waits longer than that and two pictures.
func TestKeyFramesKeepTheirDistance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		encode := time.Duration(rapid.IntRange(1, 300).Draw(r, "encode ms")) * time.Millisecond
		pauses := rapid.SliceOfN(rapid.IntRange(0, 900), 1, 30).Draw(r, "pauses ms")
		wrong := ""
		synctest.Test(t, func(*testing.T) { wrong = keyFrames(encode, pauses) })
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// keyFrames asks for key frames with pauses in between, and tells what is wrong with what comes.
func keyFrames(encode time.Duration, pauses []int) (wrong string) {
	k := newCaptures(nil)
	s := &slow{playing: newPlaying(Encoder{Codec: frame.VP8}, 0)}
	k.keepVideo(s)
	var last, asked time.Time // asked is of the first request since the last key frame
	var mu sync.Mutex
	var work sync.WaitGroup
	work.Go(func() {
		s.run(encode, func() {
			k.answered()
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if gap := now.Sub(last); gap < keyEvery {
				wrong = fmt.Sprintf("two key frames in %s", gap)
			}
			if wait := now.Sub(asked); wait > keyEvery+2*encode+time.Second/30 {
				wrong = fmt.Sprintf("a key frame %s after it was asked for", wait)
			}
			last, asked = now, time.Time{}
		})
	})
	for _, pause := range pauses {
		time.Sleep(time.Duration(pause) * time.Millisecond)
		mu.Lock()
		if asked.IsZero() {
			asked = time.Now()
		}
		mu.Unlock()
		k.keyframe(false)
	}
	time.Sleep(3 * time.Second)
	close(s.stop)
	work.Wait()
	k.close()
	mu.Lock()
	defer mu.Unlock()
	if wrong == "" && !asked.IsZero() {
		wrong = "one that was asked for never came"
	}
	return wrong
}

// A client that has nothing to show does not wait, unless one is on its way; an encoder that forgets is asked again.
func TestKeySpacing(t *testing.T) {
	t.Parallel()
	var s keySpacing
	now := time.Unix(1_700_000_000, 0)
	ask := func(first bool) time.Duration {
		ok, wait := s.ask(now, first)
		if ok {
			return -1
		}
		return wait
	}
	require.EqualValues(t, -1, ask(false))
	require.Zero(t, ask(true), "it is being made")
	s.answer(now)
	require.Equal(t, keyEvery, ask(false))
	now = now.Add(keyEvery / 2)
	require.Equal(t, keyEvery/2, ask(false))
	require.EqualValues(t, -1, ask(true))
	now = now.Add(keyPatience - 1)
	require.Zero(t, ask(false))
	now = now.Add(1)
	require.EqualValues(t, -1, ask(false))
}

// deaf is an encoder that does not hear the first request.
type deaf struct {
	*playing
	mu    sync.Mutex
	asked []time.Time
}

func (d *deaf) RequestKeyframe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, time.Now())
}

// A request that is lost is repeated when the patience with it is over, also where the client asks for a picture all the time meanwhile.
func TestALostKeyFrameIsAskedForInTime(t *testing.T) {
	t.Parallel()
	for _, again := range []time.Duration{0, keyPatience / 2, keyPatience - time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			k := newCaptures(nil)
			d := &deaf{playing: newPlaying(Encoder{Codec: frame.VP8}, 0)}
			k.keepVideo(d)
			k.keyframe(false)
			time.Sleep(again)
			k.keyframe(false)
			time.Sleep(keyPatience - again + time.Millisecond)
			synctest.Wait()
			d.mu.Lock()
			asked := append([]time.Time(nil), d.asked...)
			d.mu.Unlock()
			require.Len(t, asked, 2, "asked again after %s", again)
			require.Equal(t, keyPatience, asked[1].Sub(asked[0]))
			k.answered()
			close(d.stop)
			k.close()
		})
	}
}
