package rate_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
)

var epoch = time.Unix(1_700_000_000, 0)

const low, start, high = mbit / 5, 3 * mbit, 9 * mbit

func newEstimator(t rapid.TB) *rate.Estimator {
	t.Helper()
	e, err := rate.New(rate.Config{Min: low, Start: start, Max: high})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestBoundsMustBeInOrder(t *testing.T) {
	t.Parallel()
	for _, cfg := range []rate.Config{{}, {Min: 1, Max: 5}, {Min: 5, Start: 4, Max: 6}, {Min: 1, Start: 7, Max: 6}, {Start: 1, Max: 2}} {
		_, err := rate.New(cfg)
		require.Error(t, err, "%+v", cfg)
	}
	e := newEstimator(t)
	require.Error(t, e.Bound(0, 1))
	require.Error(t, e.Bound(2, 1))
	require.NoError(t, e.Bound(mbit, 2*mbit))
	require.Equal(t, 2*mbit, e.State().Estimate)
}

// sound checks what holds of every state.
func sound(t rapid.TB, e *rate.Estimator) {
	t.Helper()
	s := e.State()
	if s.Estimate < low || s.Estimate > high || s.Loss < 0 || s.Loss > 1 || math.IsNaN(s.Loss) || s.InFlight < 0 || s.Window < 0 || s.RTT < 0 || s.Queue < 0 {
		t.Fatalf("%+v", s)
	}
}

// Whatever is sent, and whatever comes back in whatever order and how often, the estimate stays what an estimate may be.
func TestAnyFeedbackIsSurvived(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, receiver := newEstimator(t), linktest.NewReceiver()
		now, seq := time.Duration(0), rapid.Uint16().Draw(t, "first")
		var all []*rtcp.TransportLayerCC
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(-5, 200).Draw(t, "ms")) * ms
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				seq += rapid.Uint16().Draw(t, "jump")
			case 1:
				e.Tick(epoch.Add(now))
			case 2:
				if p, ok := e.Probe(); ok && (p.Rate <= 0 || p.Bytes <= 0 || p.ID == 0) {
					t.Fatalf("%+v", p)
				}
			case 3, 4:
				if len(all) > 0 {
					_ = e.Feedback(epoch.Add(now), all[rapid.IntRange(0, len(all)-1).Draw(t, "again")])
				}
			case 5:
				_ = e.Feedback(epoch.Add(now), garbage(t))
			default:
				for range rapid.IntRange(1, 20).Draw(t, "packets") {
					seq++
					e.Sent(epoch.Add(now), rate.Packet{Seq: seq, Size: rapid.IntRange(-1, 1500).Draw(t, "size"), Probe: rapid.IntRange(0, 2).Draw(t, "probe"), Padding: rapid.Bool().Draw(t, "padding")})
					if rapid.IntRange(0, 9).Draw(t, "lost") > 0 {
						receiver.Take(max(0, now)+time.Duration(rapid.IntRange(0, 300).Draw(t, "late"))*ms, seq)
					}
				}
				all = append(all, receiver.Feedback(t, math.MaxInt64/2)...)
				receiver.Rest()
			}
			sound(t, e)
		}
	})
}

// garbage is a feedback packet that no receiver makes.
func garbage(t *rapid.T) *rtcp.TransportLayerCC {
	f := &rtcp.TransportLayerCC{
		BaseSequenceNumber: rapid.Uint16().Draw(t, "base"), PacketStatusCount: rapid.Uint16().Draw(t, "count"),
		ReferenceTime: rapid.Uint32().Draw(t, "reference"), FbPktCount: rapid.Uint8().Draw(t, "number"),
	}
	for range rapid.IntRange(0, 6).Draw(t, "chunks") {
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			f.PacketChunks = append(f.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: rapid.Uint16Range(0, 4).Draw(t, "symbol"), RunLength: rapid.Uint16().Draw(t, "run")})
		case 1:
			f.PacketChunks = append(f.PacketChunks, &rtcp.StatusVectorChunk{SymbolList: rapid.SliceOfN(rapid.Uint16Range(0, 4), 0, 14).Draw(t, "symbols")})
		default:
			f.PacketChunks = append(f.PacketChunks, nil)
		}
	}
	for range rapid.IntRange(0, 40).Draw(t, "deltas") {
		f.RecvDeltas = append(f.RecvDeltas, &rtcp.RecvDelta{Delta: rapid.Int64().Draw(t, "delta")})
	}
	return f
}

// FuzzFeedback feeds bytes from the network after some real traffic.
func FuzzFeedback(f *testing.F) {
	receiver := linktest.NewReceiver()
	for n := range uint16(40) {
		if n%7 != 3 {
			receiver.Take(time.Duration(n)*ms, n)
		}
	}
	for _, feedback := range receiver.Feedback(f, time.Second) {
		raw, err := feedback.Marshal()
		require.NoError(f, err)
		f.Add(raw)
		f.Add(raw[:len(raw)-4])
	}
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x3f, 0xff, 0x3f, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		packets, err := rtcp.Unmarshal(raw)
		if err != nil {
			return
		}
		e := newEstimator(t)
		for n := range uint16(100) {
			e.Sent(epoch.Add(time.Duration(n)*ms), rate.Packet{Seq: n, Size: 1200, Probe: int(n / 50)})
		}
		for i, packet := range packets {
			if feedback, ok := packet.(*rtcp.TransportLayerCC); ok {
				if err := e.Feedback(epoch.Add(time.Duration(150+i)*ms), feedback); err != nil {
					require.ErrorIs(t, err, rate.ErrFeedback)
				}
			}
			e.Tick(epoch.Add(time.Duration(150+i) * ms))
			sound(t, e)
		}
	})
}

// On any path, however it changes, an estimate that is followed stays within its bounds and the queue is bounded.
func TestAnyPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		capacities := rapid.SliceOfN(rapid.IntRange(300_000, 30*mbit), 1, 5).Draw(t, "capacities")
		outages := rapid.Uint8().Draw(t, "outages")
		path := linktest.Path{
			Capacity: func(at time.Duration) float64 { return float64(capacities[int(at/(2*time.Second))%len(capacities)]) },
			Out:      func(at time.Duration) bool { return outages>>(at/time.Second%8)&1 == 1 && at%time.Second < 400*ms },
			Delay:    time.Duration(rapid.IntRange(1, 150).Draw(t, "delay")) * ms, Jitter: time.Duration(rapid.IntRange(0, 40).Draw(t, "jitter")) * ms,
			Loss: rapid.Float64Range(0, 0.3).Draw(t, "loss"), Seed: rapid.Uint64().Draw(t, "seed"),
			Queue: time.Duration(rapid.IntRange(5, 2000).Draw(t, "queue")) * ms,
		}
		busy := rapid.Float64Range(0.01, 1).Draw(t, "busy")
		call := linktest.Call{Path: path, Target: screen(mbit, 7*mbit), Content: func(time.Duration) float64 { return busy }, Silent: rapid.Bool().Draw(t, "silent")}
		for _, p := range call.Run(t, 8*time.Second).Points {
			s, to := p.State, p.Target
			if s.Estimate < 150_000 || s.Estimate > 9*mbit || s.Loss < 0 || s.Loss > 1 || s.InFlight < 0 {
				t.Fatalf("at %s: %+v", p.At, s)
			}
			if to.FPS < 5 || to.FPS > 60 || to.Bitrate < mbit*to.FPS/60 || to.Bitrate > 7*mbit {
				t.Fatalf("at %s: %+v", p.At, to)
			}
		}
	})
}

// Feedback that comes twice, as it does where a compound packet is read once for each stream, changes nothing.
func TestFeedbackTwice(t *testing.T) {
	t.Parallel()
	run := func(times int) (states []rate.State) {
		e, receiver, random := newEstimator(t), linktest.NewReceiver(), rand.New(rand.NewPCG(1, 2))
		for n := range uint16(3000) {
			now := time.Duration(n) * ms
			e.Sent(epoch.Add(now), rate.Packet{Seq: n, Size: 1200})
			if random.IntN(10) > 0 {
				receiver.Take(now+20*ms+time.Duration(random.IntN(5))*ms, n)
			}
			for _, f := range receiver.Feedback(t, now) {
				for range times {
					require.NoError(t, e.Feedback(epoch.Add(now+40*ms), f))
				}
			}
			states = append(states, e.State())
		}
		return states
	}
	require.Equal(t, run(1), run(2))
}

// A receiver that never answers is no outage: it may know nothing of transport-wide feedback.
func TestNoFeedbackAtAll(t *testing.T) {
	t.Parallel()
	e := newEstimator(t)
	for n := range uint16(5000) {
		now := epoch.Add(time.Duration(n) * ms)
		e.Sent(now, rate.Packet{Seq: n, Size: 1200})
		e.Tick(now)
	}
	s := e.State()
	require.False(t, s.Outage)
	require.Zero(t, s.Window, "nothing bounds what is under way")
	require.Equal(t, start, s.Estimate)
}
