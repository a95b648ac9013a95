package impair

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFlightProperties: what the link keeps comes out when it is due, all of it, the earliest first, and everything is
// counted once.
func TestFlightProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &flight{link: newLink(t, rapid.Uint64().Draw(t, "seed"), profiles().Draw(t, "profile"))}
		var now time.Duration
		var taken, got uint64
		last := packet{}
		drain := func() {
			for {
				at, some := f.next()
				p, ok := f.due(now)
				require.Equal(t, some && at <= now, ok)
				if !ok {
					return
				}
				require.Equal(t, at, p.at)
				require.False(t, p.at < last.at && p.number < last.number, "packet %d is behind %d", p.number, last.number)
				require.Equal(t, p.number, binary.BigEndian.Uint64(p.payload), "the packet's own bytes")
				last = p
				f.delivered(p, now)
				got++
			}
		}
		for range rapid.IntRange(0, 100).Draw(t, "packets") {
			now += time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * ms
			payload := make([]byte, rapid.IntRange(8, 1400).Draw(t, "bytes"))
			binary.BigEndian.PutUint64(payload, taken+1)
			if f.take(now, nil, payload) {
				taken++
			}
			drain()
		}
		now += time.Hour
		drain()
		require.Zero(t, f.Len())
		require.Equal(t, taken, got)
		require.Equal(t, taken, f.stats.Delivered.Packets)
		packets, bytes := f.stats.Delivered.Packets, f.stats.Delivered.Bytes
		for _, c := range f.stats.Dropped {
			packets, bytes = packets+c.Packets, bytes+c.Bytes
		}
		require.Equal(t, f.stats.Offered, Count{packets, bytes})
		require.Equal(t, taken, f.stats.Late.Count())
	})
}

// TestFlightBound: what is on its way is bounded, and what is refused is counted.
func TestFlightBound(t *testing.T) {
	f := &flight{link: newLink(t, 1, Profile{Delay: time.Hour})}
	for range maxFlight + 3 {
		f.take(0, nil, nil)
	}
	require.Equal(t, maxFlight, f.Len())
	require.Equal(t, Count{3, 3 * Overhead}, f.stats.Dropped[Refused])
}
