package e2e

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// testcardFPS is what the test card's session is captured at.
const testcardFPS = 30

// samples are the quality samples of a session so far, by `history --json --quality`.
func samples(t *testing.T, s *stack.Stack, id events.SessionID) (list []events.QualitySample) {
	t.Helper()
	for _, e := range s.History(id, "--quality") {
		if sample, err := e.Quality(); err == nil {
			list = append(list, sample)
		}
	}
	return list
}

// watched waits until a session has n samples more than it had.
func watched(t *testing.T, s *stack.Stack, id events.SessionID, were, n int) (list []events.QualitySample) {
	t.Helper()
	stack.Eventually(t, liveTime, func() string {
		if list = samples(t, s, id); len(list) < were+n {
			return fmt.Sprintf("%d of %d samples", len(list)-were, n)
		}
		return ""
	})
	return list[were:]
}

// TestQuality: while a person watches, samples of what the picture is like come every two seconds, and the history draws
// them.
func TestQuality(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	v := open(t, s, "")
	id := v.start("testcard")
	live := time.Now()
	list := watched(t, s, id, 0, 4)
	require.Less(t, time.Since(live), 12*time.Second, "four samples within 10 s and some")
	keyframes := uint64(0)
	for i, q := range list {
		if i > 0 { // the first begins with the connection, before the first picture
			require.InEpsilon(t, testcardFPS, q.FPS, 0.1, "pictures a second in sample %d", i)
			require.Zero(t, q.Freezes, "sample %d: frozen for %d ms", i, q.FrozenMs)
		}
		require.Zero(t, q.Loss)
		require.Positive(t, q.VideoKbps)
		require.Positive(t, q.AudioKbps)
		require.GreaterOrEqual(t, q.TargetKbps, 1000)
		require.NotNil(t, q.EncodeMs)
		for _, n := range q.Keyframes {
			keyframes += n
		}
	}
	require.NotNil(t, list[3].RTTMs)
	require.Less(t, *list[3].RTTMs, 50.0, "round trip on one machine, ms")
	require.Positive(t, keyframes)
	t.Logf("fps %.1f, %d kbit/s, RTT %.2f ms, %.1f ms to encode (p95 %.1f)", list[3].FPS, list[3].VideoKbps, *list[3].RTTMs, *list[3].EncodeMs, *list[3].EncodeP95Ms)

	v.Navigate("about:blank") // the tab closes
	s.Await(id, events.Agent, events.Terminated)
	out, code := stack.Command(t, append([]string{"history", string(id)}, s.Find...)...)
	require.Zero(t, code, out)
	t.Log(out)
	require.Regexp(t, regexp.MustCompile(`(?s)streamer\.connected.*quality +client 1: \d+ samples.*\| fps +[▁-█]+  min .*\| rtt.*streamer\.disconnected`), out)
	require.Contains(t, out, "The picture had ")
	checkHistory(t, s.History(id)) // without --quality it is the session's events and nothing else
}

// TestNATSRestart: the picture goes on while NATS is restarted under a running session, and so do the samples after it.
func TestNATSRestart(t *testing.T) {
	s := stack.Split(t, stack.DataDir(t), stack.Apart{})
	v := open(t, s, "")
	id := v.start("testcard")
	were := len(watched(t, s, id, 0, 1))
	before := v.stats().FramesDecoded
	s.RestartNATS()
	after := watched(t, s, id, were, 3)
	require.Greater(t, v.stats().FramesDecoded, before+testcardFPS, "the picture went on")
	require.InEpsilon(t, testcardFPS, after[len(after)-1].FPS, 0.1)
	v.Click(`#end`)
	s.Await(id, events.Agent, events.Terminated)
	checkHistory(t, s.History(id))
}
