package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/pacer"
	"streamstack/streamer/rate"
	"streamstack/streamer/rate/linktest"
)

const (
	// packetSize is that of a packet of a picture on the wire, packetsPerSecond what 10 Mbit/s are in them.
	packetSize       = 1240
	packetsPerSecond = 10_000_000 / 8 / packetSize
	// wayTime is how long a packet and its feedback are under way.
	wayTime = 20 * time.Millisecond
)

// BenchmarkSending measures what the rate control costs, with a stream of 20 s: each packet through the pacer and into the estimator,
// with a look at the state before, and the receiver's feedback on all of them.
func BenchmarkSending(b *testing.B) {
	const packets = 20 * packetsPerSecond
	begun := time.Unix(1_700_000_000, 0)
	at := func(n int) time.Duration { return time.Duration(n) * time.Second / packetsPerSecond }
	feedback := map[int][]*rtcp.TransportLayerCC{} // by the packet before which it comes
	receiver := linktest.NewReceiver()
	for n := range packets {
		receiver.Take(at(n)+wayTime, uint16(n))
		if list := receiver.Feedback(b, at(n)+wayTime); list != nil {
			feedback[n+int(2*wayTime*packetsPerSecond/time.Second)] = list
		}
	}
	for b.Loop() {
		estimator, err := rate.New(rate.Config{Min: 150_000, Start: 10_000_000, Max: 12_000_000})
		require.NoError(b, err)
		queue := pacer.New[int](300)
		for n := range packets {
			now := begun.Add(at(n))
			for _, f := range feedback[n] {
				require.NoError(b, estimator.Feedback(now, f))
			}
			pace := rate.PaceOf(estimator.State(), rate.Target{Bitrate: 9_000_000, FPS: 60})
			queue.SetRate(now, pace.Rate, pace.Burst)
			queue.Put(pacer.Video, n, packetSize)
			if turn := queue.Next(now, 1, false); turn.OK {
				estimator.Sent(now, rate.Packet{Seq: uint16(n), Size: packetSize, Probe: turn.Probe})
			}
			if n%16 == 0 {
				estimator.Tick(now)
			}
		}
	}
	perPacket := b.Elapsed() / time.Duration(b.N) / packets
	_, err := fmt.Fprintf(os.Stdout, "\nrate control: %s a packet, %.3f %% of a core for a stream of 10 Mbit/s\n", perPacket, perPacket.Seconds()*packetsPerSecond*100)
	require.NoError(b, err)
	b.ReportMetric(float64(perPacket.Nanoseconds()), "ns/packet")
}
