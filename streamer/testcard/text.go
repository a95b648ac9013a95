package testcard

import (
	"image"
	"image/color"

	"github.com/jezek/xgb/xproto"
)

// face gives the letters of a look. They are drawn when first asked for; only those of chars can be used.
func (c *canvas) face(em int, ink, paper color.RGBA, chars string) *face {
	look := faceLook{em, ink, paper}
	if f, ok := c.faces[look]; ok {
		return f
	}
	f := &face{x: map[rune]int{}, width: map[rune]int{}}
	total := 0
	for _, r := range chars {
		size := c.font.size(r, em)
		f.x[r], f.width[r], f.height = total, size.X, size.Y
		total += size.X
	}
	stride := 4 * total
	pixels := make([]byte, stride*f.height)
	for _, r := range chars {
		c.font.render(r, em, ink, paper, pixels[4*f.x[r]:], stride)
	}
	id, err := xproto.NewPixmapId(c.conn.Conn)
	if err != nil {
		return f // the connection has ended, which the next round trip tells
	}
	f.pixmap = id
	xproto.CreatePixmap(c.conn.Conn, c.screen.RootDepth, id, xproto.Drawable(c.screen.Root), uint16(total), uint16(f.height))
	atOnce := max(1, maxPut/2/stride)
	for y := 0; y < f.height; y += atOnce {
		height := min(atOnce, f.height-y)
		xproto.PutImage(c.conn.Conn, xproto.ImageFormatZPixmap, xproto.Drawable(id), c.pen(ink), uint16(total), uint16(height), 0, int16(y), 0,
			c.screen.RootDepth, pixels[y*stride:(y+height)*stride])
	}
	c.faces[look] = f
	return f
}

// printable is every character of the font.
func printable() string {
	all := make([]byte, 0, fontLast-fontFirst+1)
	for b := byte(fontFirst); b <= fontLast; b++ {
		all = append(all, b)
	}
	return string(all)
}

// widthOf measures a text in pixels.
func (f *face) widthOf(text string) int {
	total := 0
	for _, r := range text {
		total += f.width[f.known(r)]
	}
	return total
}

// known gives the character, or one that the face has in its place.
func (f *face) known(r rune) rune {
	if _, ok := f.width[r]; ok {
		return r
	}
	return '?'
}

// label is a text at a place of the scene; of a new text only what differs is drawn.
type label struct {
	canvas *canvas
	face   *face
	at     image.Point
	paper  color.RGBA
	text   string
}

func (l *label) set(text string) {
	if text == l.text {
		return
	}
	same := 0
	for same < len(text) && same < len(l.text) && text[same] == l.text[same] {
		same++
	}
	x := l.at.X + l.face.widthOf(text[:same])
	oldEnd, newEnd := l.at.X+l.face.widthOf(l.text), l.at.X+l.face.widthOf(text)
	c := l.canvas
	if newEnd < oldEnd {
		c.fill(l.paper, image.Rect(newEnd, l.at.Y, oldEnd, l.at.Y+l.face.height))
	}
	c.dirty = append(c.dirty, image.Rect(x, l.at.Y, newEnd, l.at.Y+l.face.height))
	for _, r := range text[same:] {
		r = l.face.known(r)
		width := l.face.width[r]
		xproto.CopyArea(c.conn.Conn, xproto.Drawable(l.face.pixmap), xproto.Drawable(c.scene), c.pen(l.paper), int16(l.face.x[r]), 0,
			int16(x), int16(l.at.Y), uint16(width), uint16(l.face.height))
		x += width
	}
	l.text = text
}
