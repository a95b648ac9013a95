package media

/*
#cgo pkg-config: gstreamer-1.0
#include <gst/gst.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/media/aom"
	"streamstack/streamer/media/encoder"
	"streamstack/streamer/media/yuv"
)

// initialise starts GStreamer once for the process, at first use; every exported function calls it. It takes no command line, and
// it leaves Go's signal handlers alone: while it loads a plugin, GStreamer would have a SIGSEGV handler of its own in place of
// Go's, so that a nil pointer in any goroutine at that moment would end the process instead of panicking.
var initialise = sync.OnceValue(func() error {
	C.gst_segtrap_set_enabled(C.FALSE)
	var reason *C.GError
	if C.gst_init_check(nil, nil, &reason) == C.FALSE {
		defer C.g_clear_error(&reason)
		return fmt.Errorf("media: GStreamer does not start (is the package libgstreamer1.0-0 complete?): %s", C.GoString(reason.message))
	}
	gst.Init(nil) // a no-op in C by now; it sets up what the bindings need
	return errors.Join(yuv.Register(encoder.Converter), aom.Register(encoder.AOM))
})
