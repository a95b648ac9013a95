package testcard

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"time"
)

// status is what the card shows of its input.
type status struct {
	pointer         image.Point
	keys, clicks    int
	keycode, button byte
	keyName         string
	// text is the character that was typed last, 0 before the first.
	text rune
	// scrolled is how far the wheel was turned, in parts of a notch, and whether it was at all.
	scrolled    int
	hasScrolled bool
	touches     map[uint32]image.Point
}

// painter draws the card's parts on the canvas.
type painter struct {
	canvas *canvas
	card   Card
	fps    int

	clock, frame, pointer, key, click *label
	// keysDrawn and clicksDrawn are the counts that the patches show; -1 before the first time.
	keysDrawn, clicksDrawn int
	textDrawn              rune
	scrollDrawn            int
	scrolledDrawn          bool
}

// clockChars are those of the clock's format.
const clockChars = "0123456789:."

// newPainter draws everything that does not move.
func newPainter(c *canvas, fps int) *painter {
	p := &painter{canvas: c, card: Layout(c.size.X, c.size.Y), fps: fps, keysDrawn: -1, clicksDrawn: -1}
	u := p.card.unit
	c.fill(background, image.Rectangle{Max: c.size})
	for _, bar := range p.card.Bars {
		c.fill(bar.Colour, bar.Rect)
	}
	for _, step := range p.card.Ramp {
		c.fill(step.Colour, step.Rect)
	}
	c.fill(Untouched, p.card.TextPatch, p.card.ScrollPatch)
	c.fill(panel, p.card.clockPanel, p.card.keyCaption, p.card.clickCaption)

	title := p.label(u*3/5, ink, background, p.card.header.Min, p.card.header.Dy())
	title.set("streamstack")
	subtitle := p.label(u*3/5, faint, background, p.card.header.Min.Add(image.Pt(title.face.widthOf("streamstack "), 0)), p.card.header.Dy())
	subtitle.set("test card")
	size := fmt.Sprintf("%d x %d, %d fps", c.size.X, c.size.Y, fps)
	mode := p.label(u*3/5, faint, background, image.Pt(p.card.header.Max.X-title.face.widthOf(size), 0), p.card.header.Dy())
	mode.set(size)
	for text, code := range map[string]Code{"frame number": p.card.Frame, "time": p.card.Time} {
		if !code.Rect.Empty() {
			p.label(u*9/20, faint, background, code.Rect.Min.Sub(image.Pt(0, u*4/5)), u*4/5).set(text)
		}
	}
	inside := p.card.clockPanel.Inset(u / 2)
	em := min(u*11/5, inside.Dx()*fontEm/clockWidth)
	p.clock = &label{canvas: c, face: c.face(em, ink, panel, clockChars), paper: panel, at: inside.Min.Sub(image.Pt(0, u/4))}
	p.frame = p.label(u*3/5, accent, panel, image.Pt(inside.Min.X, inside.Max.Y-u), u)
	p.pointer = p.label(u*3/5, faint, panel, image.Pt(inside.Min.X+inside.Dx()/2, inside.Max.Y-u), u)
	p.key = p.label(u*9/20, ink, panel, p.card.keyCaption.Min.Add(image.Pt(u/3, 0)), p.card.keyCaption.Dy())
	p.click = p.label(u*9/20, ink, panel, p.card.clickCaption.Min.Add(image.Pt(u/3, 0)), p.card.clickCaption.Dy())
	return p
}

// clockWidth is the clock's text at fontEm: nine digits, two colons and a point.
const clockWidth = 9*53 + 2*31 + 29

// label places a text in the middle of a strip of the given height.
func (p *painter) label(em int, ink, paper color.RGBA, at image.Point, height int) *label {
	f := p.canvas.face(em, ink, paper, printable())
	return &label{canvas: p.canvas, face: f, paper: paper, at: at.Add(image.Pt(0, (height-f.height)/2))}
}

// draw draws one frame and shows it.
func (p *painter) draw(ctx context.Context, frame uint32, now time.Time, s *status) error {
	p.clock.set(now.Format("15:04:05.000"))
	p.frame.set(fmt.Sprintf("frame %06d", frame))
	p.code(p.card.Frame, frame)
	p.code(p.card.Time, uint32(now.UnixMilli()))
	block := p.card.mover(frame, p.fps)
	rest := p.card.Track
	p.canvas.fill(line, image.Rectangle{Min: rest.Min, Max: image.Pt(block.Min.X, rest.Max.Y)}, image.Rectangle{Min: image.Pt(block.Max.X, rest.Min.Y), Max: rest.Max})
	p.canvas.fill(accent, block)
	return p.show(ctx, s)
}

// show brings the input's traces up to date, and the canvas to the screen.
func (p *painter) show(ctx context.Context, s *status) error {
	p.pointer.set(fmt.Sprintf("pointer %d, %d", s.pointer.X, s.pointer.Y))
	if p.keysDrawn != s.keys {
		p.keysDrawn = s.keys
		p.canvas.fill(KeyColour(s.keys, s.keycode), p.card.KeyPatch)
		p.key.set(trace("key", s.keyName, s.keys))
	}
	if p.clicksDrawn != s.clicks {
		p.clicksDrawn = s.clicks
		p.canvas.fill(ClickColour(s.clicks, s.button), p.card.ClickPatch)
		p.click.set(trace("button", buttonName(s.button), s.clicks))
	}
	if s.text != 0 && s.text != p.textDrawn {
		p.textDrawn = s.text
		p.canvas.fill(TextColour(s.text), p.card.TextPatch)
	}
	if s.hasScrolled && (!p.scrolledDrawn || s.scrolled != p.scrollDrawn) {
		p.scrolledDrawn, p.scrollDrawn = true, s.scrolled
		p.canvas.fill(ScrollColour(s.scrolled), p.card.ScrollPatch)
	}
	return p.canvas.present(ctx, func() (outline, core []image.Rectangle) {
		outline, core = crosshair(s.pointer, p.card.unit)
		for _, at := range s.touches {
			finger := touchSquare(at, p.card.unit)
			outline, core = append(outline, finger.Inset(-max(p.card.unit/8, 3))), append(core, finger)
		}
		return outline, core
	})
}

// touchSquare is what is drawn at a finger: white, with a black border.
func touchSquare(at image.Point, unit int) image.Rectangle {
	half := max(unit/2, minBlock)
	return image.Rectangle{Min: at.Sub(image.Pt(half, half)), Max: at.Add(image.Pt(half, half))}
}

// trace tells what was pressed last, and how many presses there were.
func trace(what, name string, count int) string {
	if count == 0 {
		return "no " + what + " yet"
	}
	return fmt.Sprintf("%s: %s (%d)", what, name, count)
}

func (p *painter) code(c Code, value uint32) {
	if c.Rect.Empty() {
		return
	}
	p.canvas.fill(black, c.Rect)
	p.canvas.paint(p.canvas.scene, white, c.white(value)) // inside of what fill has just marked as changed
}

// crosshair gives four arms around a place, which itself stays free.
func crosshair(at image.Point, unit int) (outline, core []image.Rectangle) {
	gap, arm := max(unit/8, 3), max(unit/2, 8)
	for _, direction := range []image.Point{{X: 1}, {X: -1}, {Y: 1}, {Y: -1}} {
		r := image.Rectangle{Min: at.Add(direction.Mul(gap)), Max: at.Add(direction.Mul(gap + arm))}.Canon()
		r.Max = r.Max.Add(image.Pt(1, 1))
		core = append(core, r)
		outline = append(outline, r.Inset(-1))
	}
	return outline, core
}
