package rate

import (
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// The example of section 3.1 of the draft, with chunks of each kind, across the end of the numbers and of the reference time.
func TestDecode(t *testing.T) {
	t.Parallel()
	var d decoder
	feedback := func(reference uint32) *rtcp.TransportLayerCC {
		return &rtcp.TransportLayerCC{
			BaseSequenceNumber: 65534, PacketStatusCount: 7, ReferenceTime: reference,
			PacketChunks: []rtcp.PacketStatusChunk{
				&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketReceivedSmallDelta, RunLength: 2},
				&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketNotReceived, RunLength: 3},
				&rtcp.StatusVectorChunk{SymbolList: []uint16{2, 0, 1, 1, 1, 1, 1}}, // the last five are padding
			},
			RecvDeltas: []*rtcp.RecvDelta{{Delta: 250}, {Delta: 500}, {Delta: -750}},
		}
	}
	reports, err := d.decode(feedback(1<<24 - 1))
	require.NoError(t, err)
	begin := (1<<24 - 1) * referenceUnit
	require.Equal(t, []report{
		{65534, true, begin + 250*time.Microsecond}, {65535, true, begin + 750*time.Microsecond}, {seq: 0}, {seq: 1}, {seq: 2},
		{3, true, begin}, {seq: 4},
	}, reports)
	reports, err = d.decode(feedback(1))
	require.NoError(t, err)
	require.Equal(t, begin+2*referenceUnit, reports[0].at-250*time.Microsecond)

	for name, bad := range map[string]*rtcp.TransportLayerCC{
		"about nothing":  {},
		"about too many": {PacketStatusCount: 40_000, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 40_000}}},
		"no times":       {PacketStatusCount: 1, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{PacketStatusSymbol: 1, RunLength: 1}}},
		"too short":      {PacketStatusCount: 9, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 8}}},
		"no chunk":       {PacketStatusCount: 9, PacketChunks: []rtcp.PacketStatusChunk{nil}},
		"reference":      {PacketStatusCount: 1, ReferenceTime: 1 << 24, PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{RunLength: 1}}},
	} {
		_, err := d.decode(bad)
		require.ErrorIs(t, err, ErrFeedback, name)
	}
}

// What is in flight is what was sent and not settled, whatever numbers are used.
// Numbers wrap every minute or so: what was sent before is found after, and what is too old is not.
func TestHistoryFindsAcrossTheWrap(t *testing.T) {
	t.Parallel()
	var h history
	for n := range 3 * (1 << 16) / 2 {
		seq := uint16(n)
		h.add(seq, time.Duration(n), 1, 0)
		for _, back := range []uint16{0, 1, historySize - 1} {
			p := h.find(seq - back)
			if n < int(back) {
				require.Nil(t, p)
				continue
			}
			require.NotNil(t, p, "%d before %d", back, n)
			require.Equal(t, time.Duration(n-int(back)), p.at)
		}
		require.Nil(t, h.find(seq-historySize))
		require.Nil(t, h.find(seq+1))
	}
}

func TestHistoryCountsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h history
		seq := rapid.Uint16().Draw(t, "first")
		sizes := map[int64]int{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "settle") == 0 {
				h.settle(h.newest - rapid.Int64Range(-3, 30).Draw(t, "back"))
			} else {
				seq += rapid.Uint16Range(1, 3).Draw(t, "step")
				size := rapid.IntRange(1, 1500).Draw(t, "size")
				h.add(seq, time.Duration(i), size, 0)
				sizes[h.newest] = size
			}
			sum := 0
			for n, size := range sizes {
				if n > h.settled {
					sum += size
				}
			}
			if h.inFlight != sum {
				t.Fatalf("%d bytes in flight, expected %d", h.inFlight, sum)
			}
			if p := h.find(seq); p == nil && len(sizes) > 0 || p != nil && p.seq != h.newest {
				t.Fatalf("the last packet is %+v", p)
			}
		}
	})
}

// Delays that grow are overuse, those that shrink underuse, and those that wobble neither.
func TestTrend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		delay func(n int) time.Duration
		want  map[Usage]bool
	}{
		{"growing", func(n int) time.Duration { return time.Duration(n) * 2 * ms }, map[Usage]bool{Normal: true, Overuse: true}},
		{"shrinking", func(n int) time.Duration { return time.Duration(-n) * 2 * ms }, map[Usage]bool{Normal: true, Underuse: true}},
		{"wobbling", func(n int) time.Duration { return time.Duration(n%3) * 3 * ms }, map[Usage]bool{Normal: true}},
	} {
		var g grouper
		var tr trend
		got := map[Usage]bool{Normal: true}
		for n := range 60 {
			sent := time.Duration(n) * 17 * ms
			for k := range 4 { // a burst is one group
				if s, ok := g.add(sent+time.Duration(k)*ms, time.Hour+sent+time.Duration(k)*ms+test.delay(n)); ok {
					got[tr.add(s)] = true
				}
			}
		}
		require.Equal(t, test.want, got, test.name)
	}
}

// Chance is not taken for congestion, and congestion is not taken for chance.
func TestLossJudgement(t *testing.T) {
	t.Parallel()
	lose := func(l *losses, now *time.Duration, n, every int) (most float64) {
		for i := range n {
			*now += 5 * ms
			if every > 0 && i%every == 0 {
				l.lose(*now)
			} else {
				l.arrive()
			}
			most = max(most, l.judge(*now))
		}
		return most
	}
	var l losses
	var now time.Duration
	require.Zero(t, lose(&l, &now, 2000, 20), "5 %")
	require.InDelta(t, 0.05, l.usual, 0.01)
	require.InDelta(t, 0.5, lose(&l, &now, 200, 2), 0.1, "every second packet: a policer")
	require.Zero(t, lose(&l, &now, 1000, 0))
	require.InDelta(t, 0, l.usual, 0.01)
	for range 100 {
		now += 5 * ms
		l.lose(now)
	}
	require.True(t, l.arrive(), "half a second without any is an interruption")
	require.Zero(t, lose(&l, &now, 200, 0))
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	var a arrivals
	_, ok := a.rate(goodputTime)
	require.False(t, ok)
	for n := range 1000 {
		a.add(time.Duration(n)*ms, 125)
	}
	bps, ok := a.rate(goodputTime)
	require.True(t, ok)
	require.InDelta(t, 1_000_000, bps, 10_000)
	a.add(time.Hour, 125)
	_, ok = a.rate(goodputShort)
	require.False(t, ok, "the clock jumped")
	for range 10 * maxArrivals {
		a.add(time.Hour, 1)
	}
	require.LessOrEqual(t, len(a.list), maxArrivals)
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	var c capacity
	for _, bps := range []float64{math.NaN(), math.Inf(1), -1, 0} {
		c.add(bps)
		require.False(t, c.known)
	}
	for range 20 {
		c.add(2e6)
		c.add(2.1e6)
	}
	require.InDelta(t, 2.05e6, c.mean, 5e4)
	require.False(t, c.above(2.2e6))
	require.True(t, c.above(3e6))
	c.add(8e6)
	require.InDelta(t, 8e6, c.mean, 1, "another path")
}

func TestProbeResults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spread time.Duration // between arrivals; sent each 2 ms
		want   float64
		packet int
	}{
		"wide":        {2 * ms, 4_000_000, 10},
		"narrow":      {4 * ms, 0.92 * 2_000_000, 10},
		"held up":     {ms / 2, 0, 10},
		"at one time": {0, 0, 10},
	} {
		p := prober{every: probeSoon}
		p.ask(0, 4_000_000)
		for n := range test.packet {
			p.arrive(p.open.ID, time.Duration(n)*2*ms, time.Hour+time.Duration(n)*test.spread, 1000)
			p.arrive(99, 0, 0, 1000)
		}
		got, _, ok := p.result()
		require.True(t, ok, name)
		require.InDelta(t, test.want, got, test.want/100, name)
		_, _, ok = p.result()
		require.False(t, ok, "once")
	}
	p := prober{every: probeSoon}
	for n := range 10 {
		p.ask(time.Duration(n)*time.Minute, mbitf)
		require.False(t, p.busy(time.Duration(n)*time.Minute+2*probeExpires))
	}
	require.Equal(t, probeLate, p.every, "probes that are never answered get rare")
}

const mbitf = 1_000_000.0

func TestLimited(t *testing.T) {
	t.Parallel()
	var l limited
	use := func(part float64, from, to time.Duration) {
		for now := from; now < to; now += 10 * ms {
			l.sent(int(part * 1_000_000 / 8 / 100))
			l.tick(now, 1_000_000)
		}
	}
	use(1, 0, time.Second)
	require.False(t, l.active)
	use(0.1, time.Second, 3*time.Second)
	require.True(t, l.active)
	use(0.9, 3*time.Second, 5*time.Second)
	require.False(t, l.active)
}

func TestPace(t *testing.T) {
	t.Parallel()
	fast := PaceOf(State{Estimate: 4_000_000}, Target{Bitrate: 3_000_000, FPS: 30})
	require.Equal(t, Pace{Rate: 10_000_000, Burst: 15_000}, fast, "a usual picture goes at once")
	require.Less(t, PaceOf(State{Estimate: 4_000_000, Draining: true}, Target{Bitrate: 3_000_000, FPS: 30}).Rate, 5_000_000)
	require.Equal(t, burstMost, PaceOf(State{Estimate: 90_000_000}, Target{Bitrate: 80_000_000, FPS: 5}).Burst)
}
