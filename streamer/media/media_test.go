package media_test

import (
	"log/slog"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
	"streamstack/streamer/media"
)

// eventually polls until check returns nil and fails with what was still missing.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %v: %v", within, err)
		case <-tick.C:
		}
	}
}

// collector keeps what a sink gets.
type collector[F any] struct {
	mu   sync.Mutex
	got  []F
	came []time.Time
	more chan struct{}
}

func newCollector[F any]() *collector[F] { return &collector[F]{more: make(chan struct{}, 1)} }

func (c *collector[F]) add(f F) {
	c.mu.Lock()
	c.got = append(c.got, f)
	c.came = append(c.came, time.Now())
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *collector[F]) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// wait returns the frames from index on once there are n of them, and when each came.
func (c *collector[F]) wait(t testing.TB, from, n int) ([]F, []time.Time) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		if len(c.got) >= from+n {
			defer c.mu.Unlock()
			return append([]F(nil), c.got[from:from+n]...), append([]time.Time(nil), c.came[from:from+n]...)
		}
		have := len(c.got)
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-deadline:
			t.Fatalf("have %d frames, want %d", have, from+n)
		}
	}
}

// capture starts a capture of the whole display that ends with the test.
func capture(t testing.TB, x *xserver, cfg media.VideoConfig) (*media.Video, *collector[frame.Video]) {
	t.Helper()
	cfg.Display = x.display
	frames := newCollector[frame.Video]()
	video, err := media.StartVideo(t.Context(), cfg, frames.add)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, video.Close()) })
	return video, frames
}

// codecs runs a test for each codec.
func codecs(t *testing.T, test func(t *testing.T, codec frame.Codec)) {
	for _, codec := range []frame.Codec{frame.H264, frame.VP8} {
		t.Run(string(codec), func(t *testing.T) { test(t, codec) })
	}
}

// entries counts what is in a folder of /proc.
func entries(t testing.TB, folder string) int {
	t.Helper()
	found, err := os.ReadDir(folder)
	require.NoError(t, err)
	return len(found)
}

// A nil pointer in Go must still be a panic after GStreamer has loaded its plugins.
func TestGStreamerLeavesGoItsSignals(t *testing.T) {
	media.Probe(t.Context(), slog.New(slog.DiscardHandler)) // loads plugins
	var encoder *media.Encoder
	require.True(t, func() (recovered bool) {
		defer func() {
			_, recovered = recover().(runtime.Error)
		}()
		return len(encoder.Reason) > 0
	}())
}
