package streamer

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"streamstack/events"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

const (
	// sampleTime is how long a sample is offered to a log that does not answer: less than the time to the next one.
	sampleTime = 1500 * time.Millisecond
	// maxLatencies is how many pictures' encoding times are kept for one sample: two seconds of the fastest display.
	maxLatencies = 512
)

// sampler appends a sample of what its client is sent every while, from the connection on. It has a goroutine of its own,
// which reads counters and never stands in the media's way: what a log that is away does not take is dropped, and counted
// in the next sample.
type sampler struct {
	c       *client
	latency latencies
	stages  stageTimes
	cancel  context.CancelFunc // nil before start
	work    sync.WaitGroup
}

// start begins to sample. It is called once at most, on the loop's goroutine, as close is. A client without pictures is not
// sampled: all that a sample is about is missing.
func (q *sampler) start(ctx context.Context) {
	if !q.c.settings.EnableVideo {
		return
	}
	ctx, q.cancel = context.WithCancel(ctx)
	q.work.Go(func() { q.run(ctx) })
}

// close ends the sampling and waits for it; the last part of an interval is not told.
func (q *sampler) close() {
	if q.cancel != nil {
		q.cancel()
	}
	q.work.Wait()
}

func (q *sampler) run(ctx context.Context) {
	tick := time.NewTicker(q.c.s.cfg.qualityEvery())
	defer tick.Stop()
	q.stages.take()
	q.latency.take() // of what came before the connection
	before, since := q.c.peer.Stats(), time.Now()
	inputs := q.c.controls.counts()
	var missed uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stats, now := q.c.peer.Stats(), time.Now()
		q.c.captures.lost(stats.Loss)
		d := sample(before, stats, now.Sub(since), q.latency.take())
		d.Stages = q.stages.take()
		before, since = stats, now
		counts := q.c.controls.counts()
		counts.since(inputs, &d)
		inputs = counts
		d.Peer, d.Missed, d.TargetKbps = q.c.id, missed, q.c.targetKbps(stats.Target.Bitrate)
		if err := q.append(ctx, d); err != nil {
			if missed++; missed == 1 {
				q.c.s.log.Warn("quality samples are dropped while the log does not take them", "peer", q.c.id, "err", err)
			}
			continue
		}
		missed = 0
	}
}

func (q *sampler) append(ctx context.Context, d events.QualityData) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cfg := &q.c.s.cfg
	_, err := cfg.Log.Append(ctx, events.NewQualityDraft(cfg.Region, cfg.Session, d))
	return err //nolint:wrapcheck // logged as it is
}

// targetKbps is what the encoder was told to aim at, from what congestion control told last (bit/s, 0 for nothing yet).
func (c *client) targetKbps(bps int) int {
	if bps == 0 {
		return c.captures.wanted(c.startKbps()) // the range may have changed since the client was made
	}
	return bps / 1000
}

// sample is what happened between two readings of a peer's counters.
func sample(before, after peer.Stats, took time.Duration, latencies []time.Duration) events.QualityData {
	d := events.QualityData{
		IntervalMs: took.Milliseconds(),
		Loss:       rounded(after.Loss, 4),
		Frames:     after.Video.Frames - before.Video.Frames, FramesDropped: after.FramesDropped - before.FramesDropped,
		Freezes: after.Freezes - before.Freezes, FrozenMs: (after.Frozen - before.Frozen).Milliseconds(),
		NACKs: after.NACKs - before.NACKs, PLIs: after.PLIs - before.PLIs, FIRs: after.FIRs - before.FIRs,
		VideoPackets: after.Video.Packets - before.Video.Packets, VideoBytes: after.Video.Bytes - before.Video.Bytes,
		AudioPackets: after.Audio.Packets - before.Audio.Packets, AudioBytes: after.Audio.Bytes - before.Audio.Bytes,
	}
	if took > 0 {
		d.FPS = rounded(float64(d.Frames)/took.Seconds(), 2)
		d.VideoKbps, d.AudioKbps = kbps(d.VideoBytes, took), kbps(d.AudioBytes, took)
	}
	if after.RTT > 0 {
		rtt := milliseconds(after.RTT)
		d.RTTMs = &rtt
	}
	for cause, n := range after.Keyframes {
		if n -= before.Keyframes[cause]; n > 0 {
			if d.Keyframes == nil {
				d.Keyframes = map[string]uint64{}
			}
			d.Keyframes[string(cause)] = n
		}
	}
	if n := len(latencies); n > 0 {
		slices.Sort(latencies)
		var sum time.Duration
		for _, l := range latencies {
			sum += l
		}
		mean, p95 := milliseconds(sum/time.Duration(n)), milliseconds(latencies[(n*95+99)/100-1])
		d.EncodeMs, d.EncodeP95Ms = &mean, &p95
	}
	return d
}

func kbps(bytes uint64, in time.Duration) int {
	return int(math.Round(float64(bytes) * 8 / 1000 / in.Seconds()))
}

func milliseconds(d time.Duration) float64 { return rounded(float64(d)/float64(time.Millisecond), 2) }

func rounded(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

// latencies gathers how long pictures took from the screen to here. It is safe for concurrent use, and never waits.
type latencies struct {
	mu   sync.Mutex
	list []time.Duration
}

// add takes a picture that has just been encoded.
func (l *latencies) add(f frame.Video) {
	if f.CapturedAt.IsZero() {
		return
	}
	took := max(0, time.Since(f.CapturedAt))
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxLatencies {
		l.list = append(l.list, took)
	}
}

// take returns what was gathered since it was called last.
func (l *latencies) take() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.list
	l.list = nil
	return taken
}
