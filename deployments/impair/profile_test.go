package impair

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func TestValidate(t *testing.T) {
	for name, p := range map[string]Profile{
		"nothing":       {},
		"all of it":     {Delay: 50 * ms, Jitter: 5 * ms, Reorder: true, Loss: Loss{0.02, 3}, Rate: []Step{{0, 8e6}, {time.Second, 1e6}}, Queue: Queue{Bytes: 1e5}, Outages: []Window{{0, 1}, {1, 2}}},
		"long bursts":   {Loss: Loss{0.9, 20}},
		"single losses": {Loss: Loss{0.5, 1}},
	} {
		require.NoError(t, p.Validate(), name)
	}
	for name, p := range map[string]Profile{
		"a negative delay":               {Delay: -1},
		"negative jitter":                {Jitter: -1},
		"negative loss":                  {Loss: Loss{Rate: -0.1}},
		"loss of all":                    {Loss: Loss{Rate: 1}},
		"loss that is no number":         {Loss: Loss{Rate: math.NaN()}},
		"bursts of less than one":        {Loss: Loss{0.1, 0.5}},
		"bursts too short for the loss":  {Loss: Loss{0.9, 2}},
		"a rate of nothing":              {Rate: Capped(0)},
		"a rate that begins late":        {Rate: []Step{{1, 1e6}}},
		"two rates at a time":            {Rate: []Step{{0, 1e6}, {0, 2e6}}},
		"a negative queue":               {Queue: Queue{Delay: -1}},
		"a queue of negative bytes":      {Queue: Queue{Bytes: -1}},
		"an outage that ends too early":  {Outages: []Window{{2, 2}}},
		"an outage before the beginning": {Outages: []Window{{-1, 2}}},
		"outages in each other":          {Outages: []Window{{0, 3}, {2, 4}}},
	} {
		require.Error(t, p.Validate(), name)
	}
}

// TestSent: a packet takes its bits at the rates that it meets on the way.
func TestSent(t *testing.T) {
	p := Profile{Rate: []Step{{0, 8e6}, {100 * ms, 1e6}, {200 * ms, 8e6}}}
	for _, c := range []struct {
		begin time.Duration
		bytes int
		end   time.Duration
	}{
		{0, 1000, 1 * ms},
		{100 * ms, 1000, 108 * ms},
		{time.Hour, 1000, time.Hour + ms},
		{99 * ms, 1000, 100 * ms},
		{99 * ms, 1125, 101 * ms},            // 8000 bits before the step, 1000 after
		{99 * ms, 1000 + 12500, 200 * ms},    // all of the slow time
		{99 * ms, 1000 + 13500, 201 * ms},    // and past it
		{0, 100000 + 12500 + 1000, 201 * ms}, // all three rates
	} {
		require.InDelta(t, c.end, p.sent(c.begin, c.bytes), 2, "%d bytes from %s on", c.bytes, c.begin)
	}
}

func TestRoom(t *testing.T) {
	require.Equal(t, 37500, Queue{}.room(1e6), "300 ms")
	require.Equal(t, 12500, Queue{Delay: 100 * ms}.room(1e6))
	require.Equal(t, 5000, Queue{Bytes: 5000}.room(1e6))
	require.Equal(t, 5000, Queue{Delay: 100 * ms, Bytes: 5000}.room(1e6))
	require.Equal(t, 1250, Queue{Delay: 10 * ms, Bytes: 5000}.room(1e6))
}
