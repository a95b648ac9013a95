package xi2

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse: no event of a server, however broken, is more than refused.
func FuzzParse(f *testing.F) {
	event := make([]byte, deviceEvent, 128)
	event[0] = 35
	binary.LittleEndian.PutUint16(event[8:], uint16(Motion))
	binary.LittleEndian.PutUint32(event[32:], 100<<16+1<<15)
	binary.LittleEndian.PutUint32(event[36:], 0xffff0000) // -1
	binary.LittleEndian.PutUint16(event[48:], 1)          // a word of buttons
	binary.LittleEndian.PutUint16(event[50:], 1)          // and one of axes
	event = append(event, 2, 0, 0, 0, 0b1000, 0, 0, 0)
	event = binary.LittleEndian.AppendUint32(event, 240)
	event = binary.LittleEndian.AppendUint32(event, 1<<31)
	e, ok := Parse(event)
	require.True(f, ok)
	require.Equal(f, Event{Kind: Motion, X: 100.5, Y: -1, Valuators: map[int]float64{3: 240.5}}, e)
	for _, size := range []int{0, 31, deviceEvent - 1, deviceEvent, len(event) - 1} {
		_, ok := Parse(event[:size])
		require.False(f, ok, "cut to %d bytes", size)
	}
	f.Add(event)
	f.Fuzz(func(_ *testing.T, raw []byte) { Parse(raw) })
}
