package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/g2g"
)

// moment is when the recordings of these tests begin.
var moment = time.UnixMilli(1_800_000_000_000)

func after(ms int) time.Time { return moment.Add(time.Duration(ms) * time.Millisecond) }

// pictures are shown every 50 ms from one time to before another, at a latency, in milliseconds.
func pictures(from, to, latency int) (frames []g2g.Frame) {
	for at := from; at < to; at += 50 {
		frames = append(frames, g2g.Frame{Shown: after(at), Painted: after(at - latency)})
	}
	return frames
}

func recording(length int, parts ...[]g2g.Frame) g2g.Recording {
	r := g2g.Recording{From: moment, To: after(length)}
	for _, p := range parts {
		r.Frames = append(r.Frames, p...)
	}
	return r
}

func TestBetween(t *testing.T) {
	r := recording(1000, pictures(0, 1000, 30))
	part := between(r, after(200), after(400))
	require.Len(t, part.Frames, 4)
	require.Equal(t, []time.Time{after(200), after(350)}, []time.Time{part.Frames[0].Shown, part.Frames[3].Shown})
	require.Empty(t, part.Freezes(freezeLimit))
	require.Empty(t, between(r, after(2000), after(3000)).Frames)
	require.Len(t, between(r, after(900), after(5000)).Frames, 2)
	require.Len(t, r.Frames, 20, "it is as it was")
}

// always asks for nothing else.
func always(_, _ time.Time) bool { return true }

func TestRecovery(t *testing.T) {
	const path = 50 * time.Millisecond
	// An outage, then pictures that are late, then a good one by chance, then late ones again, then all is well.
	r := recording(10_000, pictures(0, 1000, 100), pictures(4000, 4400, 900), pictures(4400, 4450, 100), pictures(4450, 5000, 500), pictures(5000, 10_000, 200))
	took, ok := recovery(r, after(4000), path, always)
	require.True(t, ok)
	require.Equal(t, time.Second, took)
	took, ok = recovery(r, after(6010), path, always)
	require.True(t, ok)
	require.Equal(t, 40*time.Millisecond, took, "the next picture")
	_, ok = recovery(r, after(4000), path-time.Millisecond, always)
	require.False(t, ok, "never as good as that")
	_, ok = recovery(r, after(9500), path, always)
	require.False(t, ok, "too short to tell")

	r = recording(10_000, pictures(0, 1000, 100), pictures(1300, 2000, 100), pictures(2000, 2050, 900), pictures(2050, 10_000, 100))
	took, ok = recovery(r, after(500), path, always)
	require.True(t, ok)
	require.Equal(t, 800*time.Millisecond, took, "behind the freeze; one late picture of twenty is none")
}

func TestPassage(t *testing.T) {
	require.Zero(t, passage{}.at(moment))
	p := passage{{after(0), 1000}, {after(1000), 1000}, {after(2000), 126_000}, {after(3000), 251_000}}
	require.InDelta(t, 1000, p.at(after(-5)), 0)
	require.InDelta(t, 63_500, p.at(after(1500)), 0)
	require.InDelta(t, 251_000, p.at(after(9000)), 0)
	require.InDelta(t, 1e6, p.bitsPerSecond(after(1000), after(3000)), 1e-3)
	require.InDelta(t, 0.5e6, p.bitsPerSecond(after(0), after(2000)), 1e-3)
	r := recording(3000, pictures(0, 3000, 100))
	took, ok := recovery(r, moment, 0, p.fills(1e6))
	require.True(t, ok)
	require.Equal(t, 800*time.Millisecond, took, "a second from there is full to 80 %")
	_, ok = recovery(r, moment, 0, p.fills(2e6))
	require.False(t, ok)
}
