package peer

import (
	"bytes"

	"github.com/pion/rtp/codecs"
)

// h264Payloader packs an access unit in Annex B form (RFC 6184).
//
// It cuts the unit into NAL units itself: pion's payloader looks for long start codes first and takes two units for one
// where an encoder mixes long and short ones, as x264 does.
type h264Payloader struct {
	nal codecs.H264Payloader
}

// Payload implements rtp.Payloader.
func (p *h264Payloader) Payload(mtu uint16, unit []byte) [][]byte {
	var payloads [][]byte
	for len(unit) > 0 {
		var nal []byte
		nal, unit = nextNAL(unit)
		if len(nal) > 0 {
			payloads = append(payloads, p.nal.Payload(mtu, nal)...)
		}
	}
	return payloads
}

var startCode = []byte{0, 0, 1}

// nextNAL returns the bytes up to the next start code and what follows it. A NAL unit holds no start code within
// (ITU-T H.264, 7.4.1) and ends in no zero byte: zeros before the code belong to the code.
func nextNAL(unit []byte) (nal, rest []byte) {
	i := bytes.Index(unit, startCode)
	if i < 0 {
		return bytes.TrimRight(unit, "\x00"), nil
	}
	return bytes.TrimRight(unit[:i], "\x00"), unit[i+len(startCode):]
}
