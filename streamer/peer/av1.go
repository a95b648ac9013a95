package peer

import (
	"github.com/pion/rtp/codecs/av1/obu"
)

// av1Payloader packs a temporal unit of AV1, as an encoder gives it (low-overhead bitstream format, each OBU with its size), by the
// RTP Payload Format For AV1 v1.0, section 4.
//
// It is not pion's, which takes one OBU per call and a frame's packets from several: all packets of a picture must be made at once,
// since the last one is marked.
type av1Payloader struct{}

// Types and bits of an OBU's header (AV1 bitstream specification, sections 5.3.2 and 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuTileList          = 8
	obuPadding           = 15
	obuHasSize           = 0x02
	obuHasExtension      = 0x04
)

// Bits of the aggregation header (section 4.4). W stays 0: each element is preceded by its length.
const (
	aggregationContinues = 0x80 // Z: the first element continues that of the packet before
	aggregationContinued = 0x40 // Y: the last element is continued in the next packet
	aggregationSequence  = 0x08 // N: a coded video sequence begins
)

// elementRoom is what one element's length takes at most, as packets are shorter than 2^14 bytes.
const elementRoom = 2

// Payload implements rtp.Payloader. A unit that cannot be parsed gives nothing.
func (av1Payloader) Payload(mtu uint16, unit []byte) (payloads [][]byte) {
	obus, ok := splitOBUs(unit)
	if !ok || len(obus) == 0 || mtu <= 1+elementRoom {
		return nil
	}
	packet := []byte{0}
	if obuType(obus[0][0]) == obuSequenceHeader {
		packet[0] = aggregationSequence
	}
	for _, element := range obus {
		for len(element) > 0 {
			room := int(mtu) - len(packet) - elementRoom
			if room <= 0 {
				payloads = append(payloads, packet)
				packet = []byte{0}
				continue
			}
			part := element[:min(room, len(element))]
			element = element[len(part):]
			packet = append(packet, obu.WriteToLeb128(uint(len(part)))...)
			packet = append(packet, part...)
			if len(element) > 0 {
				packet[0] |= aggregationContinued
				payloads = append(payloads, packet)
				packet = []byte{aggregationContinues}
			}
		}
	}
	return append(payloads, packet)
}

func obuType(header byte) byte { return header >> 3 & 0x0f }

// splitOBUs cuts a temporal unit into its OBUs and takes their sizes out of them, since elements carry their own (section 4.5).
// Temporal delimiters, tile lists and padding are not sent (section 5).
func splitOBUs(unit []byte) (obus [][]byte, ok bool) {
	for len(unit) > 0 {
		header := 1
		if unit[0]&obuHasExtension != 0 {
			header = 2
		}
		if len(unit) < header {
			return nil, false
		}
		size, width := uint(len(unit)-header), uint(0) // an OBU without a size reaches to the end
		if unit[0]&obuHasSize != 0 {
			var err error
			if size, width, err = obu.ReadLeb128(unit[header:]); err != nil {
				return nil, false
			}
		}
		begin := uint(header) + width
		if size > uint(len(unit))-begin {
			return nil, false
		}
		switch obuType(unit[0]) {
		case obuTemporalDelimiter, obuTileList, obuPadding:
		default:
			element := append([]byte{unit[0] &^ obuHasSize}, unit[1:header]...)
			obus = append(obus, append(element, unit[begin:begin+size]...))
		}
		unit = unit[begin+size:]
	}
	return obus, true
}
