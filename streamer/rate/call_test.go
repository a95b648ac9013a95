package rate_test

import (
	"fmt"
	"testing"
	"time"

	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
)

const mbit = 1_000_000

// screen is the default table's row for 720p at 60 pictures a second, and what our tables allow beyond.
func screen(low, high int) rate.TargetConfig {
	return rate.TargetConfig{Min: low, Max: high, Start: (low + high) / 2, FPS: 60}
}

func TestLook(t *testing.T) {
	drop := func(at time.Duration) float64 {
		if at > 20*time.Second && at < 40*time.Second {
			return 1 * mbit
		}
		return 8 * mbit
	}
	out := func(at time.Duration) bool { return at > 10*time.Second && at < 13*time.Second }
	for _, c := range []struct {
		name string
		call linktest.Call
	}{
		{"2M", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(2 * mbit), Delay: 10 * time.Millisecond}}},
		{"2M rtt100", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(2 * mbit), Delay: 50 * time.Millisecond}}},
		{"4M", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * time.Millisecond}}},
		{"4M jitter", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * time.Millisecond, Jitter: 20 * time.Millisecond}}},
		{"4M 2%", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * time.Millisecond, Loss: 0.02}}},
		{"4M 5%", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * time.Millisecond, Loss: 0.05}}},
		{"50M", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(50 * mbit), Delay: 10 * time.Millisecond}}},
		{"50M 5%", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(50 * mbit), Delay: 10 * time.Millisecond, Loss: 0.05}}},
		{"8-1-8", linktest.Call{Path: linktest.Path{Capacity: drop, Delay: 10 * time.Millisecond}}},
		{"8-1-8 rtt100", linktest.Call{Path: linktest.Path{Capacity: drop, Delay: 50 * time.Millisecond}}},
		{"8-1-8 shallow", linktest.Call{Path: linktest.Path{Capacity: drop, Delay: 10 * time.Millisecond, Queue: 20 * time.Millisecond}}},
		{"out", linktest.Call{Path: linktest.Path{Capacity: linktest.Always(20 * mbit), Delay: 10 * time.Millisecond, Out: out}}},
		{"out silent", linktest.Call{Silent: true, Path: linktest.Path{Capacity: linktest.Always(20 * mbit), Delay: 50 * time.Millisecond, Out: out}}},
		{"still", linktest.Call{Content: func(time.Duration) float64 { return 0.02 }, Path: linktest.Path{Capacity: linktest.Always(4 * mbit), Delay: 10 * time.Millisecond}}},
	} {
		c.call.Target = screen(2500_000, 7*mbit)
		r := c.call.Run(60 * time.Second)
		p := &c.call.Path
		fmt.Printf("%-14s used %.2f  queue p50 %3d p95 %3d p99 %4d  lat p50 %3d p95 %3d p99 %4d gap %4d  keys %d dropped %d probes %d pad %d loss %.3f est %.2f\n", c.name,
			r.Used(p.Capacity, 5*time.Second, 60*time.Second), p.Waited(.5, 0, 60*time.Second).Milliseconds(), p.Waited(.95, 0, 60*time.Second).Milliseconds(), p.Waited(.99, 0, 60*time.Second).Milliseconds(),
			r.Latency(.5, 0, 60*time.Second).Milliseconds(), r.Latency(.95, 0, 60*time.Second).Milliseconds(), r.Latency(.99, 0, 60*time.Second).Milliseconds(), r.Gap(time.Second, 59*time.Second).Milliseconds(),
			r.Keys, r.Dropped, r.Probes, r.Padding, r.Points[len(r.Points)-1].State.Loss, float64(r.Points[len(r.Points)-1].State.Estimate)/mbit)
		if testing.Verbose() {
			last := rate.Cause("")
			for i, pt := range r.Points {
				if pt.State.Cause != last || i%50 == 0 {
					last = pt.State.Cause
					fmt.Printf("  %6.2fs est %5.2f %-9s usage %d queue %4d rtt %3d inflight %6d/%6d limited %v out %v target %.2f@%d\n", pt.At.Seconds(), float64(pt.State.Estimate)/mbit, pt.State.Cause, pt.State.Usage, pt.State.Queue.Milliseconds(), pt.State.RTT.Milliseconds(), pt.State.InFlight, pt.State.Window, pt.State.Limited, pt.State.Outage, float64(pt.Target.Bitrate)/mbit, pt.Target.FPS)
				}
			}
		}
	}
}
