package gateway

import (
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// percent is the collector's setting now.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

func TestManySocketsMakeTheCollectorThrifty(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	usual := percent()
	var s thrift
	for range manySockets - 1 {
		s.opened()
	}
	require.Equal(t, usual, percent())
	s.opened()
	require.Equal(t, thriftPercent, percent())
	for range manySockets - fewSockets {
		s.closed()
	}
	require.Equal(t, thriftPercent, percent(), "no to and fro")
	s.closed()
	require.Equal(t, usual, percent())
}

func TestWhoSetsTheCollectorIsLeftAlone(t *testing.T) {
	t.Setenv("GOGC", "200")
	usual := percent()
	var s thrift
	for range manySockets {
		s.opened()
	}
	require.Equal(t, usual, percent())
}

// Two gateways of a process have one collector.
func TestGatewaysShareTheCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	usual := percent()
	counts := func(want int) {
		eventstest.Wait(t, within, func() string {
			collector.mu.Lock()
			defer collector.mu.Unlock()
			if collector.open != want {
				return fmt.Sprintf("%d sockets, where %d count", want, collector.open)
			}
			return ""
		})
	}
	counts(0) // those of tests before have ended
	for range 2 {
		r := house(t)
		dial(t, r.create().URL)
	}
	counts(2)
	require.Equal(t, usual, percent())
}
