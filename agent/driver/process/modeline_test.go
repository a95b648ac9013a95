package process

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestModelineIsCVT compares with the tables of VESA's CVT 1.1 (1920x1080 at 60 Hz with reduced blanking: 138.5 MHz).
func TestModelineIsCVT(t *testing.T) {
	require.Equal(t, `Modeline "session" 138.50 1920 1968 2000 2080 1080 1083 1087 1111 +hsync -vsync`, modeline(1920, 1080, 60))
}

func TestDisplaySizesAreEvenAndNotSmaller(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 16384).Draw(t, "w"), rapid.IntRange(1, 16384).Draw(t, "h")
		dw, dh := displaySize(w, h)
		require.Zero(t, dw%2+dh%2)
		require.True(t, dw == max(minWidth, w) || dw == w+1)
		require.True(t, dh == max(minHeight, h) || dh == h+1)
	})
}
