package quality

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

var start = time.Date(2026, 11, 22, 6, 27, 9, 0, time.UTC)

// sample is the n-th of a stream, two seconds after the one before.
func sample(n int, fps float64) events.QualitySample {
	rtt, encode := 1.5, 6.25
	return events.QualitySample{
		Sequence: events.Seq(n), Time: start.Add(time.Duration(n) * events.QualityEvery), Region: "local", Session: "s",
		QualityData: events.QualityData{
			Peer: "p", IntervalMs: events.QualityEvery.Milliseconds(), FPS: fps, VideoKbps: 2500, AudioKbps: 96, TargetKbps: 3000,
			RTTMs: &rtt, EncodeMs: &encode, EncodeP95Ms: &encode, Frames: uint64(2 * fps), VideoBytes: 625_000,
		},
	}
}

func TestSummary(t *testing.T) {
	f := New()
	for n, fps := range []float64{30, 30, 30, 12, 30} {
		s := sample(n+1, fps)
		if fps < SlowFPS {
			s.Freezes, s.FrozenMs, s.Loss, s.Missed = 2, 800, 0.25, 3
			s.Keyframes = map[string]uint64{"pli": 2}
			s.RTTMs = nil
		}
		if n == 0 {
			s.Keyframes = map[string]uint64{"start": 1}
		}
		f.Apply(s)
	}
	s := f.Summary()
	require.Equal(t, 5, s.Samples)
	require.Equal(t, []time.Time{start, start.Add(10 * time.Second)}, []time.Time{s.Begun, s.Ended})
	require.Equal(t, []time.Duration{10 * time.Second, 2 * time.Second, 800 * time.Millisecond}, []time.Duration{s.Measured, s.Slow, s.Frozen})
	require.Equal(t, []float64{12, 30, 30}, []float64{s.FPS.Min(), s.FPS.Quantile(0.95), s.FPS.Max()})
	require.InDelta(t, 30, s.FPS.Median(), 0)
	require.Equal(t, []float64{1.5, 0.25}, []float64{s.RTTMs.Max(), s.Loss.Max()})
	require.Equal(t, map[string]uint64{"start": 1, "pli": 2}, s.Keyframes)
	require.EqualValues(t, []uint64{2, 3, 264}, []uint64{s.Freezes, s.Missed, s.Frames})
	require.Len(t, f.Series(), 5)
}

func anySample(n int) *rapid.Generator[events.QualitySample] {
	return rapid.Custom(func(t *rapid.T) events.QualitySample {
		s := sample(n, rapid.Float64Range(-1, 250).Draw(t, "fps"))
		s.IntervalMs = rapid.Int64Range(-10, 5000).Draw(t, "interval")
		s.VideoKbps = rapid.IntRange(-1, 50_000).Draw(t, "kbps")
		s.Loss = rapid.Float64Range(-1, 2).Draw(t, "loss")
		s.Freezes = rapid.Uint64Range(0, 5).Draw(t, "freezes")
		s.Keyframes = rapid.MapOfN(rapid.SampledFrom([]string{"start", "pli", "fir"}), rapid.Uint64Range(1, 3), 0, 2).Draw(t, "keyframes")
		if rapid.Bool().Draw(t, "no report") {
			s.RTTMs = nil
		}
		return s
	})
}

func anyStream(t *rapid.T, most int) []events.QualitySample {
	list := make([]events.QualitySample, rapid.IntRange(0, most).Draw(t, "samples"))
	for i := range list {
		list[i] = anySample(i+1).Draw(t, "sample")
	}
	return list
}

func fold(list []events.QualitySample) *Fold {
	f := New()
	for _, s := range list {
		f.Apply(s)
	}
	return f
}

// A consumer that restarts is given again what it had, from any place on: nothing is counted twice.
func TestRedeliveryChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := anyStream(t, 60)
		f := New()
		for range rapid.IntRange(0, 5).Draw(t, "restarts") {
			from := rapid.IntRange(0, len(list)).Draw(t, "from") // what was folded is folded up to some place, and comes again
			for _, s := range list[min(from, int(f.At())):from] {
				f.Apply(s)
			}
			if at := int(f.At()); at > 0 {
				f.Apply(list[rapid.IntRange(0, at-1).Draw(t, "old")])
			}
		}
		for _, s := range list {
			f.Apply(s)
		}
		if want := fold(list); !reflect.DeepEqual(want, f) {
			t.Fatalf("folded %+v, expected %+v", f, want)
		}
	})
}

// Samples of other sessions in between change nothing, in whatever order those of different sessions come.
func TestInterleavingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 1))
		streams := [][]events.QualitySample{anyStream(t, 40), anyStream(t, 40), anyStream(t, 40)}
		folds := []*Fold{New(), New(), New()}
		next := []int{0, 0, 0}
		for range 120 {
			if i := random.IntN(3); next[i] < len(streams[i]) {
				folds[i].Apply(streams[i][next[i]])
				next[i]++
			}
		}
		for i, f := range folds {
			if want := fold(streams[i][:next[i]]); !reflect.DeepEqual(want, f) {
				t.Fatalf("stream %d: folded %+v, expected %+v", i, f, want)
			}
		}
	})
}

// A fold of a session that streams for days is no larger than one of an hour.
func TestMemoryIsBounded(t *testing.T) {
	f := New()
	const days = 3 * 24 * 3600 / 2
	for n := range days {
		s := sample(n+1, 29+rand.Float64()*2)
		rtt := math.Exp(rand.Float64() * 10)
		s.RTTMs, s.VideoKbps = &rtt, n%5000+500 // every rate there is
		s.Keyframes = map[string]uint64{fmt.Sprint("cause ", n%1000): 1}
		f.Apply(s)
	}
	s := f.Summary()
	require.Equal(t, days, s.Samples)
	require.LessOrEqual(t, len(s.Keyframes), maxCauses+1)
	require.LessOrEqual(t, len(f.Series()), maxPoints)
	for _, x := range []Figures{s.FPS, s.VideoKbps, s.RTTMs, s.EncodeMs} {
		require.LessOrEqual(t, len(x.buckets), bucket(most)+1)
	}
}

// A series keeps every sample and freeze, and its points follow each other.
func TestSeriesKeepsWhatItIsGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := anyStream(t, 200)
		for range rapid.IntRange(0, 3).Draw(t, "doublings") {
			before := slices.Clone(list)
			for _, s := range before {
				s.Sequence += events.Seq(len(before))
				s.Time = start.Add(time.Duration(s.Sequence) * events.QualityEvery)
				list = append(list, s)
			}
		}
		f := fold(list)
		for _, points := range [][]Point{f.Series(), Resample(f.Series(), rapid.IntRange(1, 80).Draw(t, "width"))} {
			var samples int
			var freezes, want uint64
			for i, p := range points {
				samples += p.Samples
				freezes += p.Freezes
				if i > 0 && !p.To.After(points[i-1].To) {
					t.Fatalf("point %d ends before the one before it", i)
				}
			}
			for _, s := range list {
				want += s.Freezes
			}
			if samples != len(list) || freezes != want {
				t.Fatalf("%d samples with %d freezes of %d with %d", samples, freezes, len(list), want)
			}
		}
	})
}

func TestQuantiles(t *testing.T) {
	require.Zero(t, Figures{}.Median())
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), 1, 200).Draw(t, "values")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var f Figures
		for _, v := range values {
			f.add(v)
		}
		slices.Sort(values)
		want := values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
		if got := f.Quantile(q); math.Abs(got-want) > 0.021*want {
			t.Fatalf("quantile %g is %g, expected %g", q, got, want)
		}
		if f.Min() != values[0] || f.Max() != values[len(values)-1] {
			t.Fatalf("from %g to %g, expected %g to %g", f.Min(), f.Max(), values[0], values[len(values)-1])
		}
	})
}
