package e2e

import (
	"fmt"
	"math"
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

// steady waits for four samples in a row of a picture as it should be: within a tenth of its rate, and not frozen. The
// machine may be busy with other things at first, as while an application starts.
func steady(t *testing.T, s *stack.Stack, id events.SessionID) (list []events.QualitySample) {
	t.Helper()
	stack.Eventually(t, liveTime, func() string {
		list = samples(t, s, id)
		list = list[max(0, len(list)-4):]
		for _, q := range list {
			if math.Abs(q.FPS-testcardFPS) > testcardFPS/10 || q.Freezes > 0 {
				return fmt.Sprintf("four good samples in a row: one of the last has %.1f fps and %d freezes of %d ms", q.FPS, q.Freezes, q.FrozenMs)
			}
		}
		if len(list) < 4 {
			return "four samples"
		}
		return ""
	})
	return list
}

// TestQuality: while a person watches, samples of what the picture is like come every two seconds, and the history draws
// them.
func TestQuality(t *testing.T) {
	s := stack.Up(t, stack.DataDir(t))
	v := open(t, s, "")
	id := v.start("testcard")
	live := time.Now()
	keyframes := uint64(0)
	for _, q := range watched(t, s, id, 0, 4) {
		for _, n := range q.Keyframes {
			keyframes += n
		}
	}
	require.Less(t, time.Since(live), 12*time.Second, "four samples within 10 s and some")
	require.Positive(t, keyframes)
	list := steady(t, s, id)
	for _, q := range list {
		require.Zero(t, q.Loss)
		require.Positive(t, q.VideoKbps)
		require.Positive(t, q.AudioKbps)
		require.GreaterOrEqual(t, q.TargetKbps, 1000)
		require.NotNil(t, q.EncodeMs)
	}
	require.NotNil(t, list[3].RTTMs)
	require.Less(t, *list[3].RTTMs, 50.0, "round trip on one machine, ms")
	t.Logf("fps %.1f, %d kbit/s, RTT %.2f ms, %.1f ms to encode (p95 %.1f)", list[3].FPS, list[3].VideoKbps, *list[3].RTTMs, *list[3].EncodeMs, *list[3].EncodeP95Ms)

	v.Wait(`['fps', 'rtt', 'kbps'].every((f) => document.querySelector('#quality [data-figure="' + f + '"]').dataset.samples >= 3)`,
		"the samples in the console's charts")
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
	watched(t, s, id, were, 3)
	require.Greater(t, v.stats().FramesDecoded, before+testcardFPS, "the picture went on")
	steady(t, s, id)
	v.Click(`#end`)
	s.Await(id, events.Agent, events.Terminated)
	checkHistory(t, s.History(id))
}
