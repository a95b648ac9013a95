package testcard

import (
	"image"
	"image/color"
)

// Bar is a rectangle of one exact colour.
type Bar struct {
	Name   string
	Rect   image.Rectangle
	Colour color.RGBA
}

// Card tells what is where on a screen of one size, in pixels. Only the small crosshair at the pointer is drawn over it.
type Card struct {
	Size image.Point
	// Bars are eight colour bars (SMPTE EG 1: 75 % of full strength), Ramp eleven greys from black to white.
	Bars, Ramp []Bar
	// Frame carries the number of the frame, Time the wall clock when it was drawn, in milliseconds since 1970.
	Frame, Time Code
	// KeyPatch and ClickPatch have the colours KeyColour and ClickColour, and nothing else in them.
	KeyPatch, ClickPatch image.Rectangle
	// TextPatch has the colour TextColour, of the last character that was typed, and ScrollPatch the colour ScrollColour, of how far the
	// wheel was turned; both are small, in the header.
	TextPatch, ScrollPatch image.Rectangle
	// Track is where the moving block runs.
	Track image.Rectangle

	unit                     int
	header, clockPanel       image.Rectangle
	keyCaption, clickCaption image.Rectangle
}

// Grid of the card: the smaller of width/columns and height/rows is the unit that everything is measured in. 1280x720 gives 40 pixels.
const (
	columns = 32
	rows    = 18
)

// minBlock is the smallest block of a code: a macroblock, so that a video codec keeps it apart from its neighbours.
const minBlock = 16

var barColours = []struct {
	name   string
	colour uint32
}{
	{"white", 0xbfbfbf}, {"yellow", 0xbfbf00}, {"cyan", 0x00bfbf}, {"green", 0x00bf00},
	{"magenta", 0xbf00bf}, {"red", 0xbf0000}, {"blue", 0x0000bf}, {"black", 0x000000},
}

const rampSteps = 11

// Layout gives the card for a screen of the given size in pixels. It is drawn in full from 320x240; a taller screen gets taller bars.
func Layout(width, height int) Card {
	u := max(min(width/columns, height/rows), 8)
	c := Card{Size: image.Pt(width, height), unit: u}
	margin := max(align(u+minBlock/2), minBlock) // on the macroblocks' grid, as the codes
	inner := width - 2*margin
	// Everything below the bars hangs from the lower edge; the bars take what is left.
	block := max(u*4/5, minBlock)
	codeTop := align(height - margin - codeRows*block)
	panelBottom := codeTop - u*5/4
	panelTop := panelBottom - u*9/2
	trackTop := panelTop - u*6/5
	rampTop := trackTop - u*8/5

	c.header = image.Rect(margin, 0, width-margin, u*3/2)
	small := image.Rect(width/2, u/4, width/2+u, u*5/4)
	c.TextPatch, c.ScrollPatch = small, small.Add(image.Pt(u*3/2, 0))
	c.Bars = bars(image.Rect(margin, u*3/2, width-margin, rampTop), len(barColours), func(i int) (string, color.RGBA) {
		return barColours[i].name, rgb(barColours[i].colour)
	})
	c.Ramp = bars(image.Rect(margin, rampTop, width-margin, rampTop+u), rampSteps, func(i int) (string, color.RGBA) {
		v := byte(i * 255 / (rampSteps - 1))
		return "grey", color.RGBA{R: v, G: v, B: v, A: 0xff}
	})
	c.Track = image.Rect(margin, trackTop, width-margin, trackTop+u*3/5)
	patch := inner * 2 / 10
	gap := u / 2
	c.ClickPatch = image.Rect(width-margin-patch, panelTop, width-margin, panelBottom)
	c.KeyPatch = c.ClickPatch.Sub(image.Pt(patch+gap, 0))
	c.keyCaption, c.KeyPatch = caption(c.KeyPatch, u)
	c.clickCaption, c.ClickPatch = caption(c.ClickPatch, u)
	c.clockPanel = image.Rect(margin, panelTop, c.KeyPatch.Min.X-gap, panelBottom)

	c.Frame = codeAt(margin, codeTop, block)
	if right := align(width - margin - codeColumns*block); right >= c.Frame.Rect.Max.X+u/2 {
		c.Time = codeAt(right, codeTop, block)
	}
	return c
}

// caption takes a strip for text off the lower edge of a patch.
func caption(patch image.Rectangle, unit int) (strip, rest image.Rectangle) {
	strip, rest = patch, patch
	strip.Min.Y = patch.Max.Y - unit
	rest.Max.Y = strip.Min.Y
	return strip, rest
}

func codeAt(x, y, block int) Code {
	return Code{Rect: image.Rect(x, y, x+codeColumns*block, y+codeRows*block), Block: block}
}

// align puts a code on the macroblocks' grid.
func align(v int) int { return v / minBlock * minBlock }

// bars divides a rectangle into columns without gap.
func bars(r image.Rectangle, count int, look func(i int) (string, color.RGBA)) []Bar {
	list := make([]Bar, count)
	for i := range list {
		name, colour := look(i)
		list[i] = Bar{Name: name, Colour: colour,
			Rect: image.Rect(r.Min.X+i*r.Dx()/count, r.Min.Y, r.Min.X+(i+1)*r.Dx()/count, r.Max.Y)}
	}
	return list
}

// mover gives the place of the moving block: from edge to edge and back in moverPeriod seconds.
func (c Card) mover(frame uint32, fps int) image.Rectangle {
	period := uint32(moverPeriod * fps)
	phase := int(frame % period)
	if phase > int(period)/2 {
		phase = int(period) - phase
	}
	width := c.Track.Dy() * 3
	x := c.Track.Min.X + (c.Track.Dx()-width)*phase*2/int(period)
	return image.Rect(x, c.Track.Min.Y, x+width, c.Track.Max.Y)
}

// moverPeriod is in seconds.
const moverPeriod = 4
