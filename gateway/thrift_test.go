package gateway

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
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
