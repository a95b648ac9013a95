package inputtest

import (
	"encoding/binary"
	"errors"
	"math"
)

// The protocol's version 1.1 and its numbers (xf86-input-inputtest-protocol.h of xorg-server 21.1). All is in the machine's byte order,
// laid out as a C compiler for a 64-bit machine does: doubles at multiples of eight.
const (
	protocolMajor, protocolMinor = 1, 1

	responseVersion = 0

	eventVersion, eventMotion, eventButton, eventTouch = 0, 2, 4, 6

	headSize    = 8
	versionSize = headSize + 4
	// valuatorCount is XF86IT_MAX_VALUATORS, far more than a device has.
	valuatorCount = 64
	// valuatorsSize is xf86ITValuatorData: flag, mask, padding, values, and the values without acceleration, which are not used.
	valuatorsSize = 4 + valuatorCount/8 + 4 + 2*8*valuatorCount
	motionSize    = headSize + 4 + 4 + valuatorsSize
	buttonSize    = headSize + 3*4 + 4 + valuatorsSize
	touchSize     = headSize + 2*4 + valuatorsSize
)

// errVersion tells that the driver speaks another version.
var errVersion = errors.New("the driver speaks another version of its protocol")

// Touch types, as in the X Input Extension 2.2.
const (
	touchBegin  = 18
	touchUpdate = 19
	touchEnd    = 20
)

// axes are the values of a device's axes by their number.
type axes map[int]float64

func head(size, kind uint32) []byte {
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, size)
	binary.NativeEndian.PutUint32(b[4:], kind)
	return b
}

func encodeVersion() []byte {
	b := head(versionSize, eventVersion)
	binary.NativeEndian.PutUint16(b[headSize:], protocolMajor)
	binary.NativeEndian.PutUint16(b[headSize+2:], protocolMinor)
	return b
}

// encodeMotion moves axes: to places where absolute, else by distances.
func encodeMotion(absolute bool, values axes) []byte {
	b := head(motionSize, eventMotion)
	binary.NativeEndian.PutUint32(b[headSize:], flag(absolute))
	putValuators(b[motionSize-valuatorsSize:], values)
	return b
}

func encodeButton(button byte, press bool) []byte {
	b := head(buttonSize, eventButton)
	binary.NativeEndian.PutUint32(b[headSize+4:], uint32(button))
	binary.NativeEndian.PutUint32(b[headSize+8:], flag(press))
	return b
}

func encodeTouch(kind, id uint32, values axes) []byte {
	b := head(touchSize, eventTouch)
	binary.NativeEndian.PutUint32(b[headSize:], id)
	binary.NativeEndian.PutUint32(b[headSize+4:], kind)
	putValuators(b[touchSize-valuatorsSize:], values)
	return b
}

func putValuators(b []byte, values axes) {
	for axis, v := range values {
		b[4+axis/8] |= 1 << (axis % 8)
		binary.NativeEndian.PutUint64(b[16+8*axis:], math.Float64bits(v))
	}
}

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}
