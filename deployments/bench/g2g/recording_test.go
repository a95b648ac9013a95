package g2g

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// begin is a moment whose low 32 bits of milliseconds are about to wrap.
var begin = time.UnixMilli(0x1_9000_0000_00 &^ 0xffffffff).Add(-50 * time.Millisecond)

// shown makes a raw recording of pictures painted and shown at these milliseconds after begin.
func shown(pairs ...[2]int) rawRecording {
	raw := rawRecording{Offset: float64(begin.UnixMilli())}
	for _, p := range pairs {
		painted := uint32(begin.UnixMilli() + int64(p[0]))
		raw.Rows = append(raw.Rows, rawRow{Shown: float64(p[1]), Painted: &painted})
	}
	return raw
}

func TestLatencyAcrossTheWrap(t *testing.T) {
	r := shown([2]int{0, 20}, [2]int{33, 63}, [2]int{66, 106}, [2]int{99, 149}).recording()
	require.Zero(t, r.Invalid)
	l := r.Latency()
	require.Equal(t, 4, l.N)
	require.InDeltaSlice(t, []float64{35, 47, 48.5, 49.7, 50}, []float64{l.P50, l.P90, l.P95, l.P99, l.Max}, 0.01)
}

func TestWhatCounts(t *testing.T) {
	raw := shown([2]int{0, 20}, [2]int{0, 37}, [2]int{33, 53}, [2]int{66, 96})
	raw.Rows[2].Replaced = true                                         // read from the picture after it
	raw.Rows = append(raw.Rows, rawRow{Shown: 120})                     // not readable
	raw.Rows = append(raw.Rows, shown([2]int{500, 130}).Rows...)        // from the future
	raw.Rows = append(raw.Rows, shown([2]int{-3_600_000, 140}).Rows...) // an hour old
	r := raw.recording()
	require.Equal(t, 3, r.Invalid)
	require.Equal(t, 3, r.Distinct(), "one was shown twice")
	require.Equal(t, 2, r.Latency().N)
	require.InDelta(t, 30, r.Latency().Max, 0.01)
}

func TestFreezesAtBothEnds(t *testing.T) {
	r := shown([2]int{500, 520}, [2]int{533, 553}, [2]int{933, 953}).recording()
	r.From, r.To = begin, begin.Add(2*time.Second)
	var lengths []time.Duration
	for _, g := range r.Freezes(200 * time.Millisecond) {
		lengths = append(lengths, g.Length().Round(time.Millisecond))
	}
	require.Equal(t, []time.Duration{520 * time.Millisecond, 400 * time.Millisecond, 1047 * time.Millisecond}, lengths)
	require.InDelta(t, 1.5, r.Rate(), 0.001)
}

func TestInputToPhoton(t *testing.T) {
	raw := shown([2]int{0, 20}, [2]int{33, 53}, [2]int{66, 86}, [2]int{99, 119})
	for i, n := range []int{7, 7, 0, 0} { // counted modulo 8
		raw.Rows[i].Count = &n
	}
	pressed := uint32(begin.UnixMilli() + 45)
	raw.Rows[2].Pressed = &pressed
	raw.Inputs = []float64{40, 130} // nothing shows the second
	in := raw.recording().Input()
	require.Equal(t, 1, in.Missed)
	require.InDelta(t, 46, in.Photon.P50, 0.01)
	require.InDelta(t, 5, in.Up.P50, 0.01)
	require.InDelta(t, 41, in.Down.P50, 0.01)
}

func TestDistributionIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 200).Draw(t, "values")
		d := distribute(values)
		require.Len(t, values, d.N)
		require.IsNonDecreasing(t, []float64{d.P50, d.P90, d.P95, d.P99, d.Max})
		require.Contains(t, values, d.Max)
	})
}

func TestLoadOfThisProcess(t *testing.T) {
	load := StartLoad(t, map[string]int{"me": os.Getpid()})
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); { // work, not waiting
	}
	me := load.Stop()["me"]
	require.Positive(t, me.CPU)
	require.Positive(t, me.Bytes)
}
