// Package yuv adds an element to GStreamer, in this process, that makes YUV of the pictures of an X display with libyuv, the
// library that Chromium converts with.
//
// GStreamer's videoconvert takes as long for that as x264 for encoding: 3.5 ms of a picture of 1280x720 on the machine where
// this was measured, spread over two threads, where libyuv takes less than one on one. Both the age of the picture and what
// a session costs have this in them.
//
// The colours are those of ITU-R BT.601 in the range of 16 to 235, whatever the size: libyuv knows no others for this
// direction. Encoders of H.264 say so in the stream, and of VP8, which cannot, decoders assume it (RFC 6386, section 9.2).
package yuv

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-video-1.0
#cgo LDFLAGS: -lyuv
#include <stdlib.h>
#include "yuv.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Register makes the element known to GStreamer, which must have been started, under a name. It takes BGRx and BGRA, gives
// I420 and NV12, and has no properties. Once is enough for a process.
func Register(name string) error {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.yuv_register(n) == 0 {
		return errors.New("yuv: GStreamer does not take the element " + name)
	}
	return nil
}
