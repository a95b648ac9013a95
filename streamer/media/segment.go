package media

/*
#cgo pkg-config: gstreamer-1.0 gstreamer-app-1.0
#include <gst/gst.h>
#include <gst/app/gstappsrc.h>

// A picture lends a segment of memory to GStreamer. busy is 1 until the last element has let go of it.
typedef struct { gint busy; } Loan;

static void give_back(gpointer loan) { g_atomic_int_set(&((Loan *) loan)->busy, 0); }

// lend pushes a picture without copying it. The memory is to be read only: it is on loan.
static GstFlowReturn lend(GstAppSrc *source, Loan *loan, gpointer data, gsize size, GstClockTime pts, GstClockTime duration) {
	g_atomic_int_set(&loan->busy, 1);
	GstBuffer *buffer = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, data, size, 0, size, loan, give_back);
	GST_BUFFER_PTS(buffer) = pts;
	GST_BUFFER_DURATION(buffer) = duration;
	return gst_app_src_push_buffer(source, buffer);
}

static gboolean on_loan(Loan *loan) { return g_atomic_int_get(&loan->busy); }
static Loan *new_loan(void) { return g_new0(Loan, 1); }
static void free_loan(Loan *loan) { g_free(loan); }
static GstAppSrc *as_source(void *element) { return GST_APP_SRC(element); }
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/go-gst/go-gst/gst"

	"streamstack/streamer/grab"
)

// segments of a capture: one is being encoded, one waits, one is being read into.
const segments = 3

// pool is the memory that a capture's pictures go through. It belongs to one goroutine.
type pool struct {
	source *C.GstAppSrc
	all    []*lent
}

// lent is a segment and who has it.
type lent struct {
	*grab.Segment
	loan *C.Loan
}

func newPool(ctx context.Context, screen *grab.Screen, source *gst.Element) (*pool, error) {
	p := &pool{source: C.as_source(source.Unsafe())}
	for range segments {
		s, err := screen.NewSegment(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("media: %w", err), p.close())
		}
		p.all = append(p.all, &lent{s, C.new_loan()})
	}
	return p, nil
}

// free gives a segment that GStreamer does not have, nil if it has all of them, or if the encoder has not even begun with the last one: then a
// newer picture is worth waiting for.
func (p *pool) free() *lent {
	if C.gst_app_src_get_current_level_buffers(p.source) > 0 {
		return nil
	}
	for _, s := range p.all {
		if C.on_loan(s.loan) == 0 {
			return s
		}
	}
	return nil
}

// push gives a segment's picture to the encoder. pts is on the pipeline's own time.
func (p *pool) push(s *lent, pts, duration time.Duration) gst.FlowReturn {
	return gst.FlowReturn(C.lend(p.source, s.loan, C.gpointer(unsafe.Pointer(&s.Data[0])), C.gsize(len(s.Data)), C.GstClockTime(pts), C.GstClockTime(duration)))
}

// close frees the memory, once the pipeline has ended. What it still has, against all custom, stays mapped: better than a crash.
func (p *pool) close() error {
	var err error
	for _, s := range p.all {
		if C.on_loan(s.loan) != 0 {
			err = errors.Join(err, errors.New("media: a pipeline that has ended kept a picture: its memory is lost"))
			continue
		}
		C.free_loan(s.loan)
		err = errors.Join(err, s.Close())
	}
	p.all = nil
	return err
}
