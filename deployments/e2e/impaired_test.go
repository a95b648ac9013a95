package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/deployments/impair"
	"streamstack/events"
)

// bitrates writes a streamer's configuration with one range for all pictures, and returns the flag that names it.
func bitrates(t *testing.T, minKbps, maxKbps int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "streamer.json")
	text := fmt.Sprintf(`{"video":{"bitrate_limits":[{"num_pixels":921600,"fps":30,"min_kbps":%d,"max_kbps":%d}]}}`, minKbps, maxKbps)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return "--streamer-config=" + file
}

// TestOutage: nothing passes the network for three seconds, and the picture goes on after it, in the same connection.
func TestOutage(t *testing.T) {
	const outage = 3 * time.Second
	s, network := stack.Impaired(t, stack.DataDir(t), 1)
	v := open(t, s, stack.RelayOnly)
	id := v.start("testcard")
	checkRelayed(t, v, id)
	down := impair.Profile{Outages: []impair.Window{{End: outage}}}
	begun, err := network.Apply(down, down)
	require.NoError(t, err)
	before := v.stats().FramesDecoded
	stack.Eventually(t, liveTime, func() string {
		if left := outage - time.Since(begun); left > 0 {
			return left.String() + " of the outage"
		}
		return ""
	})
	_, lost := network.Stats()
	require.Positive(t, lost.Dropped[impair.Down].Packets)
	v.live()
	stack.Eventually(t, liveTime, func() string {
		if n := v.stats().FramesDecoded - before; n < 5*testcardFPS {
			return fmt.Sprintf("pictures: %d after the outage's begin", n)
		}
		return ""
	})
	checkPicture(t, v)
	for _, e := range s.History(id) {
		require.False(t, e.Is(events.Streamer, events.Disconnected), "the client was lost")
	}
	list := samples(t, s, id)
	for _, q := range list {
		t.Logf("%+v", q)
	}
	t.Log(time.Since(begun))
}
