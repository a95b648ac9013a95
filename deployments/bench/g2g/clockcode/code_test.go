package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// read is the decoder of probe.js in Go.
func read(c canvas, column int) (v uint32, ok bool) {
	var data [rows]byte
	for row := range data {
		for i := range 8 {
			if c.bit(column+i, row) {
				data[row] |= 0x80 >> i
			}
		}
	}
	v = uint32(data[0])<<24 | uint32(data[1])<<16 | uint32(data[2])<<8 | uint32(data[3])
	return v, crc8(data[:4]) == data[4]
}

func (c canvas) bit(column, row int) bool {
	return c.pixels[(row*c.block+c.block/2)*c.stride+column*c.block+c.block/2] == white
}

func newCanvas() canvas {
	const block = 4
	return canvas{pixels: make([]uint32, columns*block*rows*block), stride: columns * block, block: block}
}

func TestWhatIsPaintedCanBeRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCanvas()
		now, event := rapid.Uint32().Draw(t, "time"), rapid.Uint32().Draw(t, "event")
		count := rapid.IntRange(0, 100).Draw(t, "count")
		c.word(eventGrid, event)
		c.count(count)
		c.word(timeGrid, now)
		for column, want := range map[int]uint32{timeGrid: now, eventGrid: event} {
			got, ok := read(c, column)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		n := 0
		for row := range 3 {
			n *= 2
			if c.bit(marker, row) {
				n++
			}
		}
		require.Equal(t, count%8, n)
		require.True(t, c.bit(marker, rows-1))
	})
}

// One block that is wrong, as in a torn picture, makes the code invalid; so does a black screen.
func TestDamageIsSeen(t *testing.T) {
	_, ok := read(newCanvas(), timeGrid)
	require.False(t, ok, "a black grid")
	rapid.Check(t, func(t *rapid.T) {
		c := newCanvas()
		c.word(timeGrid, rapid.Uint32().Draw(t, "time"))
		column, row := rapid.IntRange(0, 7).Draw(t, "column"), rapid.IntRange(0, rows-1).Draw(t, "row")
		c.set(column, row, !c.bit(column, row))
		_, ok := read(c, timeGrid)
		require.False(t, ok)
	})
}
