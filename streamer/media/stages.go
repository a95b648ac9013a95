package media

/*
#cgo pkg-config: gstreamer-1.0
#include <gst/gst.h>

enum { REMEMBERED = 64 };

// Stamps are when pictures came to a pad, in microseconds of the monotonic clock, by their numbers.
typedef struct { gint64 at[REMEMBERED]; GstClockTime step; } Stamps;

static GstPadProbeReturn stamp(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
	(void)pad;
	Stamps *s = data;
	GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
	if (GST_CLOCK_TIME_IS_VALID(pts)) {
		__atomic_store_n(&s->at[(pts + s->step / 2) / s->step % REMEMBERED], g_get_monotonic_time(), __ATOMIC_RELAXED);
	}
	return GST_PAD_PROBE_OK;
}

// watch stamps the pictures that come to an element. The stamps go with its pad; NULL where it has no such pad.
static Stamps *watch(gpointer element, GstClockTime step) {
	GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(element), "sink");
	if (pad == NULL) return NULL;
	Stamps *s = g_new0(Stamps, 1);
	s->step = step;
	gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, stamp, s, g_free);
	gst_object_unref(pad);
	return s;
}

// age is how long ago a picture came, in microseconds; negative for one that never did.
static gint64 age(Stamps *s, guint64 number) {
	gint64 at = __atomic_load_n(&s->at[number % REMEMBERED], __ATOMIC_RELAXED);
	return at == 0 ? -1 : g_get_monotonic_time() - at;
}
*/
import "C"

import (
	"time"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/frame"
)

// stamps are those of an encoder's pad; nil where it has none of that name.
type stamps struct{ c *C.Stamps }

// watchStages has it noted when pictures come to the encoder: what lies before is conversion, what lies behind encoding. The note is taken
// in C, since a callback in Go would hold each picture until the garbage collector finds it.
func (f *feed) watchStages(encoder *gst.Element) {
	f.stamps.c = C.watch(C.gpointer(encoder.Unsafe()), C.GstClockTime(f.step))
}

// stages are how long a picture took that has just come out of the pipeline; nothing where that is not known. It is called while the
// pipeline runs only.
func (f *feed) stages(s shot) frame.Stages {
	if f.stamps.c == nil {
		return frame.Stages{}
	}
	encode := time.Duration(C.age(f.stamps.c, C.guint64(s.number))) * time.Microsecond
	all := time.Since(s.at)
	capture := s.read.Sub(s.at)
	if encode < 0 || encode > all-capture {
		return frame.Stages{}
	}
	return frame.Stages{Capture: capture, Convert: all - capture - encode, Encode: encode}
}
