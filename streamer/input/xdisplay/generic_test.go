package xdisplay

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// stream is a socket that has been written to its end.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// TestGenericFilter: generic events go to take, all else to the reader, whole and in order, however the bytes arrive.
func TestGenericFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		setup := append([]byte{1, 0, 11, 0, 0, 0, 0, 0}, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "setup")...)
		setup = setup[:8+(len(setup)-8)/4*4]
		binary.LittleEndian.PutUint16(setup[6:], uint16((len(setup)-8)/4))
		all, passed := bytes.Clone(setup), bytes.Clone(setup)
		var events, taken [][]byte
		for range rapid.IntRange(0, 12).Draw(t, "messages") {
			kind := rapid.SampledFrom([]byte{0, 1, 2, 35, 35 | sentBySendEvent, 12, 1 | sentBySendEvent}).Draw(t, "kind")
			m := make([]byte, messageHead)
			m[0] = kind
			if k := kind &^ sentBySendEvent; k == replyMessage || k == genericEvent {
				words := rapid.IntRange(0, 20).Draw(t, "words")
				binary.LittleEndian.PutUint32(m[4:], uint32(words))
				m = slices.Concat(m, bytes.Repeat([]byte{kind}, 4*words))
			}
			all = append(all, m...)
			if kind&^sentBySendEvent == genericEvent {
				events = append(events, m)
			} else {
				passed = append(passed, m...)
			}
		}
		var reader io.Reader = bytes.NewReader(all)
		if rapid.Bool().Draw(t, "one byte at a time") {
			reader = iotest.OneByteReader(reader)
		}
		got, err := io.ReadAll(&genericFilter{Conn: stream{Reader: reader}, take: func(e []byte) { taken = append(taken, e) }})
		require.NoError(t, err)
		require.Equal(t, passed, got)
		require.Equal(t, events, taken)
	})
	huge := append([]byte{1, 0, 11, 0, 0, 0, 0, 0}, make([]byte, messageHead)...)
	huge[8] = genericEvent
	binary.LittleEndian.PutUint32(huge[12:], 1<<30)
	_, err := io.ReadAll(&genericFilter{Conn: stream{Reader: bytes.NewReader(huge)}, take: func([]byte) {}})
	require.ErrorContains(t, err, "bytes")
}
