package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/g2g"
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
		if n := v.stats().FramesDecoded - before; n < 2*testcardFPS {
			return fmt.Sprintf("pictures: %d after the outage's begin", n)
		}
		return ""
	})
	checkPicture(t, v)
	for _, e := range s.History(id) {
		require.False(t, e.Is(events.Streamer, events.Disconnected), "the client was lost")
	}
}

// TestCap: the way to the client becomes narrower than what is sent. The encoder's target falls below it, and the picture
// goes on, and is no worse than a second old.
func TestCap(t *testing.T) {
	const capKbps = 1000
	dir := g2g.Applications(t)
	s, network := stack.Impaired(t, stack.DataDir(t), 1, "--applications", dir, bitrates(t, 250, 3*capKbps))
	v := g2g.Watch(t, s, g2g.Config{Width: 1280, Height: 720, FPS: 30, Fragment: stack.RelayOnly})
	_, err := network.Apply(impair.Profile{Delay: 10 * time.Millisecond}, impair.Profile{Delay: 10 * time.Millisecond, Rate: impair.Capped(capKbps * 1000)})
	require.NoError(t, err)
	were := len(samples(t, s, v.Session))
	stack.Eventually(t, liveTime, func() string {
		list := samples(t, s, v.Session)
		for _, q := range list[min(were, len(list)):] {
			if q.TargetKbps < capKbps {
				return ""
			}
		}
		return fmt.Sprintf("a target below %d kbit/s in %+v", capKbps, list[min(were, len(list)):])
	})
	stack.Eventually(t, liveTime, func() string {
		r := v.Record(2 * time.Second)
		if l := r.Latency(); l.N < 2*testcardFPS/3 || l.P50 > 1000 {
			return fmt.Sprintf("two seconds with a third of the pictures, half of them younger than a second: the last had %d, of %.0f ms (p50)", l.N, l.P50)
		}
		return ""
	})
	_, down := network.Stats()
	t.Logf("%d of %d packets had no room", down.Dropped[impair.Overflow].Packets, down.Offered.Packets)
}
