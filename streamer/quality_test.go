package streamer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

// sampleEvery is the period of these tests, long enough for several pictures.
const sampleEvery = 300 * time.Millisecond

// samples are those of a client so far.
func (r *rig) samples(p events.PeerID) (list []events.QualitySample) {
	err := r.log.Read(context.WithoutCancel(r.t.Context()), events.QualityStream, events.QualityFilter(region, session), 0, func(e events.Event) error {
		s, err := e.Quality()
		if errors.Is(err, events.ErrQuality) {
			return nil // decisions
		}
		if s.Peer == p {
			list = append(list, s)
		}
		return nil
	})
	if err != nil {
		return nil // the server is away
	}
	return list
}

// sampled waits for n more samples of a client than there were, and returns those.
func (r *rig) sampled(p events.PeerID, were, n int) (list []events.QualitySample) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, func() string {
		list = r.samples(p)
		if len(list) < were+n {
			return fmt.Sprintf("%d of %d samples", len(list)-were, n)
		}
		return ""
	})
	return list[were:]
}

// unsteady says what about samples in a row is not as it is while the picture has its rate.
func unsteady(list []events.QualitySample) string {
	var frames, seconds float64
	for i, s := range list[1:] {
		if apart := s.Time.Sub(list[i].Time); math.Abs(float64(apart.Milliseconds())-float64(s.IntervalMs)) > 250 {
			return fmt.Sprintf("an interval that ends where the next begins: it has %d ms, and they are %s apart", s.IntervalMs, apart)
		}
		if s.EncodeMs == nil || *s.EncodeMs >= 200 {
			return "pictures encoded at once"
		}
		if s.Loss > 0 || s.TargetKbps < 1000 { // less than the table's least goes with fewer pictures
			return fmt.Sprintf("nothing lost, and all pictures wanted: of %g lost the target is %d kbit/s", s.Loss, s.TargetKbps)
		}
		frames, seconds = frames+float64(s.Frames), seconds+float64(s.IntervalMs)/1000
	}
	if rate := frames / seconds; math.Abs(rate-30) > 10 {
		return fmt.Sprintf("30 pictures a second: there are %.1f", rate)
	}
	if periods := float64(len(list) - 1); math.Abs(seconds-periods*sampleEvery.Seconds()) > 1 {
		return fmt.Sprintf("one sample each period: %.0f take %.1f s", periods, seconds)
	}
	return ""
}

// Samples say what was sent, one each period, and end with the client.
func TestSamples(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.QualityEvery = sampleEvery
	r.start()
	b := visit(t, r)
	list := r.sampled(b.id, 0, 8)
	eventstest.Wait(t, patience, func() string { // a machine under load may be late with any of them
		all := r.samples(b.id)
		return unsteady(all[len(all)-8:])
	})
	var sum events.QualityData
	for _, s := range list {
		require.EqualValues(t, region, s.Region)
		require.EqualValues(t, session, s.Session)
		require.Zero(t, s.Missed)
		require.Positive(t, s.TargetKbps)
		require.LessOrEqual(t, s.TargetKbps, 3000, "no more than the table allows")
		sum.AudioPackets += s.AudioPackets
		sum.VideoBytes += s.VideoBytes
		require.NotNil(t, s.EncodeMs)
		require.GreaterOrEqual(t, *s.EncodeP95Ms, *s.EncodeMs*0.9)
		for cause, n := range s.Keyframes {
			if sum.Keyframes == nil {
				sum.Keyframes = map[string]uint64{}
			}
			sum.Keyframes[cause] += n
		}
	}
	require.Positive(t, sum.AudioPackets)
	require.Positive(t, sum.VideoBytes)
	require.EqualValues(t, 1, sum.Keyframes["start"], "%v", sum.Keyframes)

	b.send(`{"type":"stream::disconnect","data":{}}`)
	gone := r.until(events.Disconnected, b.id)
	for _, s := range r.samples(b.id) {
		require.False(t, s.Time.After(gone.Time), "a sample after the end")
	}
	next := visit(t, r)
	before := len(r.samples(b.id))
	r.sampled(next.id, 0, 2)
	require.Len(t, r.samples(b.id), before, "none of a client that has gone")
}

// A log that is away costs samples and nothing else: the picture goes on, and the first sample after it says how many.
func TestSamplesWhileTheLogIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.QualityEvery = sampleEvery
	r.start()
	b := visit(t, r)
	were := len(r.sampled(b.id, 0, 1))
	r.server.Stop()
	eventstest.Wait(t, patience, func() string {
		if !strings.Contains(r.output.String(), "quality samples are dropped") {
			return "a sample that the log does not take"
		}
		return ""
	})
	packets := b.video.Load()
	eventstest.Wait(t, patience, func() string {
		if got := b.video.Load(); got < packets+30 {
			return fmt.Sprintf("%d of 30 packets while the log is away", got-packets)
		}
		return ""
	})
	r.server.Restart()
	var missed uint64
	for _, s := range r.sampled(b.id, were, 3) {
		missed += s.Missed
		require.Less(t, s.IntervalMs, int64(5000), "an interval of its own, not that of the samples that were dropped")
	}
	require.Positive(t, missed)
	gone, _ := r.streamed(events.Disconnected, b.id)
	require.Empty(t, gone, "the client stayed")
}

func TestSampleIsTheDifference(t *testing.T) {
	t.Parallel()
	before := peer.Stats{
		Video: peer.StreamStats{Frames: 100, Packets: 900, Bytes: 1_000_000}, Audio: peer.StreamStats{Packets: 50, Bytes: 5000},
		FramesDropped: 2, NACKs: 3, PLIs: 1, Keyframes: map[peer.KeyframeCause]uint64{peer.KeyframeStart: 1, peer.KeyframePLI: 1},
		Freezes: 1, Frozen: time.Second, RTT: 9 * time.Millisecond, Loss: 0.5,
	}
	after := peer.Stats{
		Video: peer.StreamStats{Frames: 159, Packets: 1500, Bytes: 1_750_000}, Audio: peer.StreamStats{Packets: 250, Bytes: 30_000},
		FramesDropped: 4, NACKs: 13, PLIs: 3, FIRs: 1, Keyframes: map[peer.KeyframeCause]uint64{peer.KeyframeStart: 1, peer.KeyframePLI: 3},
		Freezes: 2, Frozen: 1250 * time.Millisecond, RTT: 1234567 * time.Nanosecond, Loss: 2.0 / 256,
	}
	d := sample(before, after, 2*time.Second, []time.Duration{9 * time.Millisecond, 5 * time.Millisecond, 7 * time.Millisecond})
	rtt, mean, p95 := 1.23, 7.0, 9.0
	require.Equal(t, events.QualityData{
		IntervalMs: 2000, FPS: 29.5, VideoKbps: 3000, AudioKbps: 100, RTTMs: &rtt, Loss: 0.0078, EncodeMs: &mean, EncodeP95Ms: &p95,
		Frames: 59, FramesDropped: 2, Keyframes: map[string]uint64{"pli": 2}, Freezes: 1, FrozenMs: 250, NACKs: 10, PLIs: 2, FIRs: 1,
		VideoPackets: 600, VideoBytes: 750_000, AudioPackets: 200, AudioBytes: 25_000,
	}, d)
	require.Equal(t, events.QualityData{}, sample(peer.Stats{}, peer.Stats{}, 0, nil), "nothing of nothing, and no division by it")
}

// The 95th percentile is the least time that 95 of 100 pictures do not exceed.
func TestPercentile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, maxLatencies).Draw(t, "latencies")
		took := make([]time.Duration, 0, len(list))
		for _, l := range list {
			took = append(took, time.Duration(l).Round(10*time.Microsecond))
		}
		d := sample(peer.Stats{}, peer.Stats{}, time.Second, took)
		within := 0
		for _, l := range took {
			if milliseconds(l) <= *d.EncodeP95Ms {
				within++
			}
		}
		if 100*within < 95*len(took) {
			t.Fatalf("%d of %d within %g ms", within, len(took), *d.EncodeP95Ms)
		}
	})
}

func TestLatenciesAreBounded(t *testing.T) {
	t.Parallel()
	var l latencies
	l.add(frame.Video{}) // of an unknown time
	require.Empty(t, l.take())
	for range 2 * maxLatencies {
		l.add(frame.Video{CapturedAt: time.Now().Add(-time.Second)})
	}
	list := l.take()
	require.Len(t, list, maxLatencies)
	require.GreaterOrEqual(t, list[0], time.Second)
	require.Empty(t, l.take())
}
