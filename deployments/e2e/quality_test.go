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

// samples are the quality samples of a session so far, by the gateway. A gateway that cannot read them now is asked again.
func samples(t *testing.T, s *stack.Stack, id events.SessionID) (list []events.QualitySample) {
	t.Helper()
	const limit = 1000
	stack.Eventually(t, liveTime, func() string {
		list = nil
		for after := events.Seq(0); ; {
			page, next, err := s.Client.Quality(t.Context(), id, after, limit)
			if err != nil {
				return "the samples: " + err.Error()
			}
			for _, e := range page {
				sample, err := e.Quality()
				require.NoError(t, err)
				list = append(list, sample)
			}
			if len(page) == 0 {
				return ""
			}
			after = next
		}
	})
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

// steady waits for four samples in a row of a picture as it should be: near its rate, and not frozen. The
// machine may be busy with other things at first, as while an application starts.
func steady(t *testing.T, s *stack.Stack, id events.SessionID) (list []events.QualitySample) {
	t.Helper()
	stack.Eventually(t, liveTime, func() string {
		list = samples(t, s, id)
		list = list[max(0, len(list)-4):]
		for _, q := range list {
			if q.FPS < leastRate || q.FPS > testcardFPS*1.1 || q.Freezes > 0 || q.Loss > 0 || q.TargetKbps < 1000 || q.RTTMs == nil || *q.RTTMs >= 50 {
				return fmt.Sprintf("four good samples in a row: one of the last has %.1f fps and %d freezes of %d ms: %+v", q.FPS, q.Freezes, q.FrozenMs, q.QualityData)
			}
		}
		if len(list) < 4 {
			return "four samples"
		}
		if apart := list[3].Time.Sub(list[0].Time); apart > 10*time.Second {
			return fmt.Sprintf("three more within 6 s and some: they took %s", apart)
		}
		return ""
	})
	return list
}

// checkQuality: while a person watches, samples of what the picture is like come every two seconds, and the page draws them.
func checkQuality(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	keyframes := uint64(0)
	first := watched(t, v.s, id, 0, 4)
	for _, q := range first {
		for _, n := range q.Keyframes {
			keyframes += n
		}
	}
	require.Positive(t, keyframes)
	list := steady(t, v.s, id)
	for _, q := range list {
		require.Positive(t, q.VideoKbps)
		require.Positive(t, q.AudioKbps)
		require.NotNil(t, q.EncodeMs)
	}
	t.Logf("fps %.1f, %d kbit/s, RTT %.2f ms, %.1f ms to encode (p95 %.1f)", list[3].FPS, list[3].VideoKbps, *list[3].RTTMs, *list[3].EncodeMs, *list[3].EncodeP95Ms)
	v.Wait(`['fps', 'rtt', 'kbps'].every((f) => document.querySelector('#quality [data-figure="' + f + '"]').dataset.samples >= 3)`,
		"the samples in the console's charts")
}

// checkDrawn: the history of a session that was watched draws the samples, and lists them where it is asked to.
func checkDrawn(t *testing.T, s *stack.Stack, id events.SessionID) {
	t.Helper()
	out, code := stack.Command(t, append([]string{"history", string(id)}, s.Find...)...)
	require.Zero(t, code, out)
	t.Log(out)
	require.Regexp(t, regexp.MustCompile(`(?s)streamer\.connected.*quality +client 1: \d+ samples.*\| fps +[▁-█]+  min .*\| rtt.*streamer\.disconnected`), out)
	require.Contains(t, out, "The picture had ")
	read := 0
	for _, e := range s.History(id, "--quality") {
		if _, err := e.Quality(); err == nil {
			read++
		}
	}
	require.Equal(t, len(samples(t, s, id)), read)
}

// checkNATSRestart: the picture goes on while NATS is restarted under a running session, and so do the samples after it.
func checkNATSRestart(t *testing.T, v viewer, id events.SessionID) {
	t.Helper()
	were := len(watched(t, v.s, id, 0, 1))
	before := v.stats().FramesDecoded
	v.s.RestartNATS()
	watched(t, v.s, id, were, 3)
	stack.Eventually(t, seenTime, func() string { // the browser's figures are a second old, and NATS takes some time of the machine when it starts
		if n := v.stats().FramesDecoded; n <= before+testcardFPS {
			return fmt.Sprintf("a picture that goes on: %d frames before the restart, %d after it", before, n)
		}
		list := samples(t, v.s, id)
		for _, q := range list[len(list)-3:] {
			if q.FPS <= testcardFPS/2. {
				return fmt.Sprintf("three samples in a row with half the pictures at least: at %s there were %.1f a second", q.Time, q.FPS)
			}
		}
		return ""
	})
}
