package testcard

import (
	"errors"
	"image"
)

const (
	// CodeBits is how many bits of a value a Code carries: values are counted modulo 1<<CodeBits.
	CodeBits = 24
	// codeColumns and codeRows are the blocks of a code, 24 bits of value and 8 check bits.
	codeColumns = 16
	codeRows    = 2
)

// ErrCode tells that the blocks of a picture do not make a code: its check bits are wrong.
var ErrCode = errors.New("testcard: no valid code in the picture")

// Code is a number drawn as two rows of 16 blocks, white for 1 and black for 0, the most significant bit first. The last 8 bits are a
// CRC-8 of the others (polynomial 0x07, start value 0xff), so that a torn or badly decoded picture shows.
type Code struct {
	// Rect is the place of all blocks; empty when the screen has no room for the code.
	Rect image.Rectangle
	// Block is the edge of a block in pixels, at least 16.
	Block int
}

// Bit gives the place of bit i, 0 (the most significant) to 31.
func (c Code) Bit(i int) image.Rectangle {
	at := c.Rect.Min.Add(image.Pt(i%codeColumns*c.Block, i/codeColumns*c.Block))
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(c.Block, c.Block))}
}

// Decode reads the number from a picture of the whole screen. Each block is judged by the middle half of it, so that a lossy codec's
// blur does not matter. The error is ErrCode.
func (c Code) Decode(picture image.Image) (uint32, error) {
	if c.Rect.Empty() || !c.Rect.In(picture.Bounds()) {
		return 0, ErrCode
	}
	var word uint32
	for i := range codeColumns * codeRows {
		word <<= 1
		if bright(picture, c.Bit(i).Inset(c.Block/4)) {
			word |= 1
		}
	}
	if encode(word>>8) != word {
		return 0, ErrCode
	}
	return word >> 8, nil
}

// bright tells whether a place is nearer to white than to black on average.
func bright(picture image.Image, r image.Rectangle) bool {
	var sum, most uint64
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			red, green, blue, _ := picture.At(x, y).RGBA()
			sum += uint64(red) + uint64(green) + uint64(blue)
			most += 3 * 0xffff
		}
	}
	return 2*sum > most
}

// encode appends the check bits to a value.
func encode(value uint32) uint32 {
	value &= 1<<CodeBits - 1
	crc := byte(0xff)
	for shift := CodeBits - 8; shift >= 0; shift -= 8 {
		crc ^= byte(value >> shift)
		for range 8 {
			carry := crc&0x80 != 0
			crc <<= 1
			if carry {
				crc ^= 0x07
			}
		}
	}
	return value<<8 | uint32(crc)
}

// white gives the places of a value's 1 bits.
func (c Code) white(value uint32) []image.Rectangle {
	word := encode(value)
	places := make([]image.Rectangle, 0, codeColumns*codeRows)
	for i := range codeColumns * codeRows {
		if word>>(codeColumns*codeRows-1-i)&1 == 1 {
			places = append(places, c.Bit(i))
		}
	}
	return places
}
