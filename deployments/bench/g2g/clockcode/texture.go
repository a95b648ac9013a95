package main

import (
	"math"
	"math/rand/v2"
)

// Contents of the moving part.
const (
	smooth = "smooth" // coloured waves with a little grain, like a photograph
	page   = "page"   // rows of dark marks on white, like text
	noise  = "noise"  // uncorrelated colours: nothing to predict, the worst case for an encoder
)

// tile is the edge of the texture in pixels, and how far the content moves before it repeats, so that moving has no jump.
const tile = 512

// texture fills pixels of width columns with a square of tile pixels, again and again in both directions.
func texture(pixels []uint32, width int, content string) {
	square := make([]uint32, tile*tile)
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // grain, the same in every run
	for i := range square {
		square[i] = colour(r, i%tile, i/tile, content)
	}
	for i := range pixels {
		square := square[i/width%tile*tile:]
		pixels[i] = square[i%width%tile]
	}
}

func colour(r *rand.Rand, x, y int, content string) uint32 {
	switch content {
	case noise:
		return black | r.Uint32N(1<<24)
	case page:
		mark := (uint32(x*2654435761) ^ uint32(y/18*40503) ^ uint32(y%18/2*977) ^ uint32(x/2*7919)) >> 3
		if y%18 < 11 && x/7%9 != 8 && mark&3 == 0 {
			return rgb(30, 30, 40)
		}
		return rgb(250, 250, 245)
	}
	fx, fy := float64(x)/tile*2*math.Pi, float64(y)/tile*2*math.Pi
	grain := float64(r.IntN(24) - 12)
	wave := func(slow, fast float64) float64 { return 128 + 90*math.Sin(slow) + 20*math.Sin(fast) + grain }
	return rgb(
		wave(3*fx+2*math.Sin(2*fy), 37*fx+11*fy),
		wave(2*fy+2*math.Sin(3*fx), 23*fy-17*fx),
		wave(5*fx+4*fy, 41*(fx+fy)),
	)
}

func rgb(r, g, b float64) uint32 {
	part := func(v float64) uint32 { return uint32(max(0, min(255, v))) }
	return black | part(r)<<16 | part(g)<<8 | part(b)
}
