// Package aom adds an element to GStreamer, in this process, that encodes AV1 with libaom for live pictures.
//
// GStreamer 1.22's own av1enc, which Debian 12 has, hands libaom no flags with a picture (gst_av1_enc_handle_frame in gstav1enc.c),
// so that a keyframe that is asked for never comes, and nobody could join late or recover from loss. Its settings leave out most
// of what libaom needs to be fast. This one asks for keyframes, changes the bitrate between two pictures without one, and has the
// settings of libwebrtc's encoder.
package aom

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-video-1.0 aom
#include <stdlib.h>
#include "aom.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Register makes the element known to GStreamer, which must have been started, under a name. It takes I420 and gives whole temporal
// units; its properties are target-bitrate (kbit/s, also while playing), threads and cpu-used (7 to 10). Once is enough for a
// process.
func Register(name string) error {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.aom_register(n) == 0 {
		return errors.New("aom: GStreamer does not take the element " + name)
	}
	return nil
}
