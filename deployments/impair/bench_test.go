package impair

import (
	"testing"
	"time"
)

// BenchmarkRelay says what the relay itself costs: packets of 1200 bytes, 1000 a second, with 10 ms of delay. "late" is how
// much later than due they were sent.
func BenchmarkRelay(b *testing.B) {
	const each = time.Millisecond
	target, c := udp(b), udp(b)
	r := start(b, portOf(target), Profile{Delay: 10 * time.Millisecond}, Profile{})
	tick := time.NewTicker(each)
	defer tick.Stop()
	sent := 0
	for b.Loop() {
		for range 1000 {
			<-tick.C
			send(b, c, r.Addr(), sent, 1, 1200)
			sent++
		}
	}
	await(b, r, func(up Stats) bool { return up.Delivered.Packets == uint64(sent) })
	up, _ := r.Stats()
	b.ReportMetric(float64(up.Late.Mean().Nanoseconds())/1e3, "us-late-mean")
	b.ReportMetric(float64(up.Late.Quantile(0.5).Nanoseconds())/1e3, "us-late-p50")
	b.ReportMetric(float64(up.Late.Quantile(0.99).Nanoseconds())/1e3, "us-late-p99")
	b.ReportMetric(float64(up.Late.Quantile(1).Nanoseconds())/1e3, "us-late-max")
	b.ReportMetric(0, "ns/op") // it is a second of waiting
}
