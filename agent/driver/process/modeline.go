package process

import (
	"fmt"
	"math"
)

const (
	// minClock and maxClock bound the pixel clock, in MHz, to what the dummy driver takes (11 to 300). It sends no
	// picture anywhere, so a mode whose refresh rate is another than the session's costs nothing.
	minClock, maxClock = 12.0, 300.0
	// minWidth and minHeight are the least that the dummy driver starts with.
	minWidth, minHeight = 256, 128
)

// displaySize is the X server's size for a session's: even, as the encoders need it, and not below what the driver
// takes (a smaller session gets a larger picture than it asked for).
func displaySize(width, height int) (int, int) {
	return max(minWidth, width+width%2), max(minHeight, height+height%2)
}

// modeline computes a mode of VESA's Coordinated Video Timings 1.1 with reduced blanking, in the syntax of
// xorg.conf(5), with a pixel clock that the driver takes.
func modeline(width, height, fps int) string {
	const (
		hFront, hSync, hBack = 48, 32, 80 // pixels
		vFront, vSync, vBack = 3, 4, 6    // lines, the least
		minBlank             = 460.0      // µs of vertical blanking, the least
		clockStep            = 0.25       // MHz
	)
	line := (1e6/float64(fps) - minBlank) / float64(height) // µs
	hTotal := width + hFront + hSync + hBack
	vTotal := height + max(int(minBlank/line)+1, vFront+vSync+vBack)
	clock := math.Floor(float64(fps*vTotal*hTotal)/1e6/clockStep) * clockStep
	return fmt.Sprintf(`Modeline "session" %.2f %d %d %d %d %d %d %d %d +hsync -vsync`, min(max(clock, minClock), maxClock),
		width, width+hFront, width+hFront+hSync, hTotal,
		height, height+vFront, height+vFront+vSync, vTotal)
}
