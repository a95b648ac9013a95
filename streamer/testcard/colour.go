package testcard

import "image/color"

// The card's own colours: dark, so that bars and patches stand out.
var (
	background = rgb(0x0f141b)
	panel      = rgb(0x19222d)
	line       = rgb(0x2b3746)
	ink        = rgb(0xf0f4f8)
	faint      = rgb(0x8fa1b5)
	accent     = rgb(0x38bdf8)
	white      = rgb(0xffffff)
	black      = rgb(0x000000)
)

// Untouched is the colour of a patch before the first key or click.
var Untouched = rgb(0x2b3746)

// level has steps wide enough to tell them apart after any codec.
var level = [4]byte{0x28, 0x70, 0xb8, 0xff}

func rgb(v uint32) color.RGBA {
	return color.RGBA{R: byte(v >> 16), G: byte(v >> 8), B: byte(v), A: 0xff}
}

// KeyColour is the key patch's colour after count key presses, the last of X key code keycode. Red tells the count modulo 4, so that
// each press changes the colour by a lot even if it is the same key; green and blue tell the key code modulo 16. Auto-repeat is not counted.
func KeyColour(count int, keycode byte) color.RGBA { return patchColour(count, keycode) }

// ClickColour is the click patch's colour after count presses of a button, the last of X button number button; the wheel's steps are
// buttons 4 to 7. It is made as KeyColour is.
func ClickColour(count int, button byte) color.RGBA { return patchColour(count, button) }

// TextColour is the text patch's colour after a character was typed: its code point modulo 64 tells.
func TextColour(r rune) color.RGBA {
	return color.RGBA{R: level[r%4], G: level[r/4%4], B: level[r/16%4], A: 0xff}
}

// ScrollColour is the scroll patch's colour after the wheel has turned by so many parts of a notch (120 each), down being positive. Red
// tells a quarter of a notch modulo 4, green a whole one.
func ScrollColour(way int) color.RGBA {
	quarters := (way/30%16 + 16) % 16
	return color.RGBA{R: level[quarters%4], G: level[quarters/4], B: level[1], A: 0xff}
}

func patchColour(count int, code byte) color.RGBA {
	if count == 0 {
		return Untouched
	}
	return color.RGBA{R: level[count%4], G: level[code%4], B: level[code/4%4], A: 0xff}
}
