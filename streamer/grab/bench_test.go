package grab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay/xorgtest"
)

// BenchmarkGrab tells how long the reading of a picture of 1280x720 takes.
func BenchmarkGrab(b *testing.B) {
	server := xorgtest.Start(b, 1280, 720)
	s, err := Open(b.Context(), server.Display, 1280, 720)
	require.NoError(b, err)
	defer s.Close()
	for _, shared := range []bool{true, false} {
		b.Run(map[bool]string{true: "shared", false: "socket"}[shared], func(b *testing.B) {
			s.shared = shared
			g, err := s.NewSegment(b.Context())
			require.NoError(b, err)
			defer func() { require.NoError(b, g.Close()) }()
			for b.Loop() {
				require.NoError(b, s.Grab(b.Context(), g))
			}
		})
	}
	b.Run("pointer", func(b *testing.B) {
		for b.Loop() {
			_, err := s.PointerMoved(b.Context())
			require.NoError(b, err)
		}
	})
}
