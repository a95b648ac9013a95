package main

// The grid of blocks. The decoder is in ../probe.js and must agree.
const (
	columns   = 17
	rows      = 5
	timeGrid  = 0 // first column of the 8 that hold the time
	marker    = 8
	eventGrid = 9
	crcInit   = 0xA5
	crcPoly   = 0x07
	black     = 0xff000000
	white     = 0xffffffff
)

// crc8 has the polynomial x⁸+x²+x+1. Its start value keeps a black grid from being a valid code.
func crc8(data []byte) byte {
	c := byte(crcInit)
	for _, v := range data {
		c ^= v
		for range 8 {
			carry := c&0x80 != 0
			c <<= 1
			if carry {
				c ^= crcPoly
			}
		}
	}
	return c
}

// canvas draws blocks into pixels of 32 bits.
type canvas struct {
	pixels []uint32
	stride int // pixels
	block  int // edge in pixels
}

func (c canvas) set(column, row int, on bool) {
	v := uint32(black)
	if on {
		v = white
	}
	for y := row * c.block; y < (row+1)*c.block; y++ {
		line := c.pixels[y*c.stride+column*c.block:]
		for x := range c.block {
			line[x] = v
		}
	}
}

// word draws four bytes and their check byte, a row each, the most significant first.
func (c canvas) word(column int, v uint32) {
	data := []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v), 0}
	data[4] = crc8(data[:4])
	for row, b := range data {
		for i := range 8 {
			c.set(column+i, row, b&(0x80>>i) != 0)
		}
	}
}

// count draws the lowest three bits of the number of input events, their parity, and a white block.
func (c canvas) count(n int) {
	for row, bit := range []int{n >> 2, n >> 1, n, n>>2 ^ n>>1 ^ n, 1} {
		c.set(marker, row, bit&1 == 1)
	}
}
