package rate_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
)

const (
	mbit = 1_000_000
	ms   = time.Millisecond
)

// screen is a row of the bitrate table at 60 pictures a second.
func screen(low, high int) rate.TargetConfig {
	return rate.TargetConfig{Min: low, Max: high, Start: (low + high) / 2, FPS: 60}
}

// show writes down how a call went with RATE_TEST_LOG set: what one wants to see when a figure below is missed.
func show(t *testing.T, c *linktest.Call, r *linktest.Result) {
	if os.Getenv("RATE_TEST_LOG") == "" {
		return
	}
	cause := rate.Cause("")
	for i, p := range r.Points {
		if p.State.Cause == cause && i%50 != 0 {
			continue
		}
		cause = p.State.Cause
		t.Logf("%6.2f s %5.2f Mbit/s %-8s %-8s queue %4d ms, rtt %3d ms, %6d of %6d under way, limited %v, target %.2f at %d", p.At.Seconds(),
			float64(p.State.Estimate)/mbit, p.State.Cause, p.State.Usage, p.State.Queue.Milliseconds(), p.State.RTT.Milliseconds(),
			p.State.InFlight, p.State.Window, p.State.Limited, float64(p.Target.Bitrate)/mbit, p.Target.FPS)
	}
	end := r.Points[len(r.Points)-1].At
	t.Logf("used %.3f; queue p50 %s p95 %s p99 %s; latency p50 %s p95 %s p99 %s; %d key frames, %d dropped, %d probes of %d bytes of padding",
		r.Used(c.Path.Capacity, 0, end), c.Path.Waited(0.5, 0, end), c.Path.Waited(0.95, 0, end), c.Path.Waited(0.99, 0, end),
		r.Latency(0.5, 0, end), r.Latency(0.95, 0, end), r.Latency(0.99, 0, end), r.Keys, r.Dropped, r.Probes, r.Padding)
}

// A path that is narrower than the pictures are allowed to be is used, and its queue stays short: from the first second on.
func TestConstantCapacity(t *testing.T) {
	t.Parallel()
	const length = 40 * time.Second
	for name, test := range map[string]struct {
		path linktest.Path
		low  int           // of the table, default 2.5 Mbit/s
		from time.Duration // the queue is looked at; the start is at 4 Mbit/s
		late time.Duration // more than other pictures may be: a packet alone takes 20 ms there
		used float64       // default 0.88
	}{
		"500 kbit/s":                     {path: linktest.Path{Capacity: linktest.Always(mbit / 2), Delay: 10 * ms}, low: mbit / 2, from: 3 * time.Second, late: 40 * ms, used: 0.80},
		"1 Mbit/s, below the table":      {path: linktest.Path{Capacity: linktest.Always(mbit), Delay: 10 * ms}},
		"2 Mbit/s, below the table":      {path: linktest.Path{Capacity: linktest.Always(2 * mbit), Delay: 10 * ms}},
		"2 Mbit/s, 100 ms":               {path: linktest.Path{Capacity: linktest.Always(2 * mbit), Delay: 50 * ms}},
		"4 Mbit/s":                       {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * ms}},
		"4 Mbit/s, 100 ms":               {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 50 * ms}},
		"6 Mbit/s":                       {path: linktest.Path{Capacity: linktest.Always(6 * mbit), Delay: 10 * ms}},
		"4 Mbit/s, jitter of 20 ms":      {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * ms, Jitter: 20 * ms}},
		"4 Mbit/s, 2 % loss":             {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * ms, Loss: 0.02}},
		"4 Mbit/s, 5 % loss":             {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * ms, Loss: 0.05}, used: 0.80},
		"4 Mbit/s, 5 % loss, 100 ms":     {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 50 * ms, Loss: 0.05}, used: 0.80},
		"4 Mbit/s with a queue of 30 ms": {path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * ms, Queue: 30 * ms}, used: 0.80},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				low := test.low
				if low == 0 {
					low = 2_500_000
				}
				call := linktest.Call{Path: test.path, Target: screen(low, 7*mbit)}
				call.Path.Seed = seed
				r := call.Run(t, length)
				show(t, &call, r)
				want := test.used
				if want == 0 {
					want = 0.88
				}
				require.Greater(t, r.Used(call.Path.Capacity, 5*time.Second, length), want, "part of the path that is used")
				require.Less(t, call.Path.Waited(0.95, test.from, length), 150*ms, "95 of 100 packets wait less")
				late := 150*ms + test.late + 2*call.Path.Delay
				if test.path.Loss > 0 {
					late += 2 * call.Path.Delay // for the repeat
				}
				require.Less(t, r.Latency(0.95, 2*time.Second, length), late, "95 of 100 pictures are there")
			}
		})
	}
}

// Loss that has nothing to do with the rate does not lower it: all the table allows is sent over a wide path that loses 5 %.
func TestRandomLossIsNoCongestion(t *testing.T) {
	t.Parallel()
	for _, loss := range []float64{0.02, 0.05, 0.08} {
		for seed := range uint64(2) {
			call := linktest.Call{Path: linktest.Path{Capacity: linktest.Always(50 * mbit), Delay: 25 * ms, Loss: loss, Seed: seed}, Target: screen(2_500_000, 7*mbit)}
			r := call.Run(t, 60*time.Second)
			show(t, &call, r)
			sum := 0.0
			for _, p := range r.Points {
				sum += float64(p.Target.Bitrate)
			}
			require.Greater(t, sum/float64(len(r.Points)), 0.9*7*mbit, "mean target at a loss of %g", loss)
		}
	}
}

// 8 Mbit/s, then 1, then 8 again.
func TestDropAndReturn(t *testing.T) {
	t.Parallel()
	capacity := func(at time.Duration) float64 {
		if at >= 20*time.Second && at < 40*time.Second {
			return mbit
		}
		return 8 * mbit
	}
	for name, path := range map[string]linktest.Path{
		"20 ms":                  {Delay: 10 * ms},
		"100 ms":                 {Delay: 50 * ms},
		"20 ms, queue of 50 ms":  {Delay: 10 * ms, Queue: 50 * ms},
		"20 ms, 2 % loss":        {Delay: 10 * ms, Loss: 0.02},
		"20 ms, jitter of 20 ms": {Delay: 10 * ms, Jitter: 20 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				call := linktest.Call{Path: path, Target: screen(1*mbit, 7*mbit)}
				call.Path.Capacity, call.Path.Seed = capacity, seed
				r := call.Run(t, 60*time.Second)
				show(t, &call, r)
				require.Less(t, r.Latency(0.95, 0, 60*time.Second), 150*ms+2*path.Delay)
				require.Less(t, call.Path.Waited(0.95, 0, 60*time.Second), 150*ms)
				require.Less(t, r.Latency(0.95, 22*time.Second, 40*time.Second), 150*ms+2*path.Delay, "two seconds after the drop it is over")
				require.Less(t, r.Gap(19*time.Second, 40*time.Second), 1500*ms, "the picture stands still")
				require.Greater(t, r.Used(capacity, 24*time.Second, 40*time.Second), 0.8)
				back := r.Reached(6*mbit, 40*time.Second)
				require.NotZero(t, back)
				require.Less(t, back-40*time.Second, 8*time.Second, "until the wider path is found")
				require.Greater(t, r.Used(capacity, 48*time.Second, 60*time.Second), 0.8)
			}
		})
	}
}

// The same where a picture is anything but small: 30 a second, and key frames of eight times the size, on a path that drops what
// would wait for more than 300 ms. The picture may stand still for a moment; it may not become old, nor stay bad.
func TestDropWithLargePictures(t *testing.T) {
	t.Parallel()
	capacity := func(at time.Duration) float64 {
		if at >= 12*time.Second && at < 24*time.Second {
			return mbit
		}
		return 8 * mbit
	}
	for seed := range uint64(2) {
		call := linktest.Call{
			Path:    linktest.Path{Capacity: capacity, Delay: 10 * ms, Queue: 300 * ms, Seed: seed},
			Target:  rate.TargetConfig{Min: 300_000, Max: 10 * mbit, Start: 5 * mbit, FPS: 30},
			KeySize: 8,
		}
		r := call.Run(t, 36*time.Second)
		show(t, &call, r)
		require.Less(t, r.Latency(1, 0, 36*time.Second), 1500*ms, "the oldest picture shown")
		require.Less(t, r.Gap(12*time.Second, 24*time.Second), 1500*ms, "the picture stands still")
		require.Less(t, r.Latency(0.95, 15*time.Second, 24*time.Second), 250*ms)
		require.Greater(t, r.Used(capacity, 15*time.Second, 24*time.Second), 0.8)
		require.Greater(t, r.Used(capacity, 4*time.Second, 12*time.Second), 0.8)
		require.Greater(t, r.Used(capacity, 29*time.Second, 36*time.Second), 0.8)
	}
}

// After 3 s without anything in either direction the picture is back within a second, at about the rate before.
func TestOutage(t *testing.T) {
	t.Parallel()
	out := func(at time.Duration) bool { return at >= 10*time.Second && at < 13*time.Second }
	for name, call := range map[string]linktest.Call{
		"20 ms":          {Path: linktest.Path{Delay: 10 * ms}},
		"100 ms":         {Path: linktest.Path{Delay: 50 * ms}},
		"without sound":  {Path: linktest.Path{Delay: 50 * ms}, Silent: true},
		"with 5 % loss":  {Path: linktest.Path{Delay: 10 * ms, Loss: 0.05}},
		"a still screen": {Path: linktest.Path{Delay: 10 * ms}, Content: func(time.Duration) float64 { return 0.02 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call.Path.Capacity, call.Path.Out, call.Target = linktest.Always(20*mbit), out, screen(2_500_000, 7*mbit)
			r := call.Run(t, 25*time.Second)
			show(t, &call, r)
			require.Less(t, r.FirstShown(12900*ms)-13*time.Second, 600*ms, "until the picture is back")
			require.Less(t, r.Latency(0.95, 14*time.Second, 25*time.Second), 100*ms+2*call.Path.Delay, "nothing is left of it")
			for _, p := range r.Points {
				if p.At > 8*time.Second && p.At < 15*time.Second {
					require.Greater(t, p.State.Estimate, 4*mbit, "held at %s", p.At)
				}
			}
		})
	}
}

// A still screen neither raises the estimate without end nor lowers it, also over minutes; and what is estimated is there when the
// screen moves again.
func TestStillScreen(t *testing.T) {
	t.Parallel()
	for _, capacity := range []float64{4 * mbit, 50 * mbit} {
		moving := func(at time.Duration) float64 {
			if at > 20*time.Second && at < 3*time.Minute {
				return 0.02
			}
			return 1
		}
		call := linktest.Call{Path: linktest.Path{Capacity: linktest.Always(capacity), Delay: 10 * ms}, Target: screen(2_500_000, 7*mbit), Content: moving}
		r := call.Run(t, 4*time.Minute)
		show(t, &call, r)
		for _, p := range r.Points {
			if p.At > 5*time.Second {
				require.Greater(t, float64(p.State.Estimate), 0.5*min(capacity, 8*mbit), "at %s", p.At)
				require.LessOrEqual(t, float64(p.State.Estimate), 9*float64(mbit))
				if p.At > time.Minute && p.At < 3*time.Minute {
					require.Less(t, float64(p.State.Estimate), 1.1*capacity, "at %s", p.At)
					require.True(t, p.State.Limited, "at %s", p.At)
				}
			}
		}
		require.Less(t, r.Latency(0.95, 3*time.Minute, 4*time.Minute), 150*ms)
		require.Greater(t, r.Used(call.Path.Capacity, 3*time.Minute+2*time.Second, 4*time.Minute), 0.8*min(1, 7.5*mbit/capacity))
	}
}

// From the lowest start the top of the table is reached within a second or so on a wide path, by probes alone.
func TestProbesFindAWidePath(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]float64{"busy": 1, "still": 0.05} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := rate.TargetConfig{Min: mbit / 2, Start: mbit / 2, Max: 7 * mbit, FPS: 60}
			call := linktest.Call{Path: linktest.Path{Capacity: linktest.Always(50 * mbit), Delay: 10 * ms}, Target: target, Content: func(time.Duration) float64 { return content }}
			r := call.Run(t, 10*time.Second)
			show(t, &call, r)
			reached := r.Reached(7*mbit, 0)
			require.NotZero(t, reached)
			require.Less(t, reached, 1500*ms)
		})
	}
}

// Where the bitrate is at its floor the frame rate gives way, and comes back.
func TestFrameRateFollows(t *testing.T) {
	t.Parallel()
	capacity := func(at time.Duration) float64 {
		if at > 10*time.Second && at < 30*time.Second {
			return mbit
		}
		return 8 * mbit
	}
	call := linktest.Call{Path: linktest.Path{Capacity: capacity, Delay: 10 * ms}, Target: screen(2_500_000, 5*mbit)}
	r := call.Run(t, 45*time.Second)
	show(t, &call, r)
	for _, p := range r.Points {
		require.GreaterOrEqual(t, p.Target.Bitrate, 2_500_000*p.Target.FPS/60, "each picture keeps its floor at %s", p.At)
		if p.At > 15*time.Second && p.At < 30*time.Second {
			require.Less(t, p.Target.FPS, 30, "at %s", p.At)
			require.GreaterOrEqual(t, p.Target.FPS, 5)
		}
		if p.At > 40*time.Second {
			require.Equal(t, 60, p.Target.FPS, "at %s", p.At)
		}
	}
}
