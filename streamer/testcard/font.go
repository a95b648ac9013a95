package testcard

import (
	"bytes"
	_ "embed" // for font.png
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
)

// fontPNG has the characters of ASCII from space to tilde side by side, in 16 greys, at fontEm pixels to the em. It was drawn from the
// Go Medium font with golang.org/x/image/font/opentype; FONT-LICENSE is that font's licence.
//
//go:embed font.png
var fontPNG []byte

const (
	fontEm    = 96
	fontFirst = ' '
	fontLast  = '~'
)

// fontWidths has each character's width in fontPNG, in pixels. The digits are equally wide, so numbers do not jump.
var fontWidths = [...]int{
	27, 29, 40, 53, 53, 85, 67, 21, 32, 32, 55, 56, 29, 56, 29, 27, 53, 53, 53, 53, 53, 53, 53, 53,
	53, 53, 31, 31, 56, 56, 56, 56, 96, 67, 67, 69, 69, 64, 59, 75, 69, 41, 50, 67, 56, 80, 69, 75,
	64, 75, 69, 64, 59, 69, 64, 91, 64, 64, 59, 29, 27, 29, 51, 53, 32, 53, 56, 51, 56, 53, 29, 56,
	56, 26, 26, 51, 27, 83, 56, 56, 56, 56, 35, 51, 30, 56, 51, 72, 51, 51, 48, 35, 26, 35, 56,
}

// font is the decoded fontPNG; x has where each character begins, and the end.
type font struct {
	coverage *image.Gray
	x        [fontLast - fontFirst + 2]int
}

func loadFont() (*font, error) {
	picture, err := png.Decode(bytes.NewReader(fontPNG))
	if err != nil {
		return nil, fmt.Errorf("testcard: the embedded font: %w", err)
	}
	f := &font{coverage: image.NewGray(picture.Bounds())}
	draw.Draw(f.coverage, f.coverage.Bounds(), picture, image.Point{}, draw.Src)
	for i, width := range fontWidths {
		f.x[i+1] = f.x[i] + width
	}
	return f, nil
}

// size gives a character's cell at em pixels to the em. What the font does not have looks like '?'.
func (f *font) size(r rune, em int) image.Point {
	i := fontIndex(r)
	scale := float64(em) / fontEm
	return image.Pt(int(math.Round(float64(fontWidths[i])*scale)), int(math.Round(float64(f.coverage.Bounds().Dy())*scale)))
}

func fontIndex(r rune) int {
	if r < fontFirst || r > fontLast {
		r = '?'
	}
	return int(r - fontFirst)
}

// render draws a character into a picture of 32-bit pixels in X's order (blue, green, red, unused), stride bytes to the row.
func (f *font) render(r rune, em int, ink, paper color.RGBA, pixels []byte, stride int) {
	i, size := fontIndex(r), f.size(r, em)
	from := image.Rect(f.x[i], 0, f.x[i+1], f.coverage.Bounds().Dy())
	for y := range size.Y {
		for x := range size.X {
			a := f.area(from, float64(x)/float64(size.X), float64(y)/float64(size.Y), float64(x+1)/float64(size.X), float64(y+1)/float64(size.Y))
			at := pixels[y*stride+4*x:]
			at[0], at[1], at[2] = mix(ink.B, paper.B, a), mix(ink.G, paper.G, a), mix(ink.R, paper.R, a)
		}
	}
}

// area gives the mean coverage, 0 to 1, of a part of a character; the part's edges are fractions of the cell.
func (f *font) area(cell image.Rectangle, x0, y0, x1, y1 float64) float64 {
	width, height := float64(cell.Dx()), float64(cell.Dy())
	x0, x1, y0, y1 = x0*width, x1*width, y0*height, y1*height
	var sum, weight float64
	for y := int(y0); float64(y) < y1 && y < cell.Dy(); y++ {
		wy := math.Min(y1, float64(y+1)) - math.Max(y0, float64(y))
		for x := int(x0); float64(x) < x1 && x < cell.Dx(); x++ {
			w := wy * (math.Min(x1, float64(x+1)) - math.Max(x0, float64(x)))
			sum += w * float64(f.coverage.Pix[y*f.coverage.Stride+cell.Min.X+x])
			weight += w
		}
	}
	if weight == 0 {
		return 0
	}
	return sum / weight / 255
}

func mix(ink, paper byte, a float64) byte {
	return byte(math.Round(float64(ink)*a + float64(paper)*(1-a)))
}
