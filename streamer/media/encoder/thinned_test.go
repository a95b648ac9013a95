package encoder_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/media/encoder"
)

func TestThinned(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3000, encoder.Thinned("x264enc", 1000, 20, 60))
	require.Equal(t, 1000, encoder.Thinned("x264enc", 1000, 60, 60))
	require.Equal(t, 1000, encoder.Thinned("x264enc", 1000, 0, 60))
	require.Equal(t, 1000, encoder.Thinned("vp8enc", 1000, 20, 60))
}
