package streamer

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/bitrate"
)

// Whatever the configuration has for limits, an encoder can be started with what comes of it, and no upper bound is none.
func TestBitrateOfTheLimits(t *testing.T) {
	t.Parallel()
	for limit, want := range map[bitrate.Limit][2]int{ // start, most
		{MinKbps: 1000, MaxKbps: 3000}:       {2000, 3000},
		{}:                                   {usualKbps, unboundedKbps},
		{MinKbps: 8000}:                      {8000, unboundedKbps},
		{MinKbps: 200_000}:                   {200_000, 200_000},
		{MaxKbps: 1}:                         {1, 1},
		{MaxKbps: 2_000_000_000}:             {mostKbps / 2, mostKbps},
		{MinKbps: 1 << 40}:                   {mostKbps, mostKbps},
		{MinKbps: 1 << 40, MaxKbps: 1 << 41}: {mostKbps, mostKbps},
	} {
		c := &client{limit: bitrate.NewTable(slog.New(slog.DiscardHandler), []bitrate.Limit{limit}).Select(1280, 720, 60)}
		require.Equal(t, want, [2]int{c.startKbps(), c.maxKbps()}, "%+v", limit)
	}
}
