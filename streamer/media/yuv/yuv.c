#include "yuv.h"

#include <gst/video/gstvideofilter.h>
#include <libyuv/convert.h>
#include <libyuv/convert_from_argb.h>

// libyuv names formats by words, GStreamer by bytes: the former's ARGB is the latter's BGRx or BGRA.
#define TAKES GST_VIDEO_CAPS_MAKE("{ BGRx, BGRA }")
#define GIVES GST_VIDEO_CAPS_MAKE("{ I420, NV12 }")

// What libyuv computes with (ITU-R BT.601, 16 to 235), and where its mean of four pixels lies.
#define COLORIMETRY "bt601"
#define CHROMA_SITE "jpeg"

typedef struct { GstVideoFilter parent; } Convert;
typedef struct { GstVideoFilterClass parent; } ConvertClass;

GType convert_get_type(void);
G_DEFINE_TYPE(Convert, convert, GST_TYPE_VIDEO_FILTER)

static void set_formats(GstStructure *s, const char *first, const char *second) {
	GValue list = G_VALUE_INIT, format = G_VALUE_INIT;
	g_value_init(&list, GST_TYPE_LIST);
	g_value_init(&format, G_TYPE_STRING);
	g_value_set_static_string(&format, first);
	gst_value_list_append_value(&list, &format);
	g_value_set_static_string(&format, second);
	gst_value_list_append_value(&list, &format);
	gst_structure_set_value(s, "format", &list);
	g_value_unset(&format);
	g_value_unset(&list);
}

static GstCaps *transform_caps(GstBaseTransform *base, GstPadDirection direction, GstCaps *caps, GstCaps *filter) {
	(void)base;
	GstCaps *other = gst_caps_copy(caps);
	for (guint i = 0; i < gst_caps_get_size(other); i++) {
		GstStructure *s = gst_caps_get_structure(other, i);
		gst_structure_remove_fields(s, "colorimetry", "chroma-site", NULL);
		if (direction == GST_PAD_SINK) {
			set_formats(s, "I420", "NV12");
			gst_structure_set(s, "colorimetry", G_TYPE_STRING, COLORIMETRY, "chroma-site", G_TYPE_STRING, CHROMA_SITE, NULL);
		} else {
			set_formats(s, "BGRx", "BGRA");
		}
	}
	if (filter == NULL) return other;
	GstCaps *both = gst_caps_intersect_full(filter, other, GST_CAPS_INTERSECT_FIRST);
	gst_caps_unref(other);
	return both;
}

static GstFlowReturn transform(GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out) {
	const guint8 *from = GST_VIDEO_FRAME_PLANE_DATA(in, 0);
	const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(in, 0);
	const int width = GST_VIDEO_FRAME_WIDTH(in), height = GST_VIDEO_FRAME_HEIGHT(in);
	guint8 *y = GST_VIDEO_FRAME_PLANE_DATA(out, 0), *u = GST_VIDEO_FRAME_PLANE_DATA(out, 1);
	const int y_stride = GST_VIDEO_FRAME_PLANE_STRIDE(out, 0), u_stride = GST_VIDEO_FRAME_PLANE_STRIDE(out, 1);
	int failed;
	if (GST_VIDEO_FRAME_FORMAT(out) == GST_VIDEO_FORMAT_NV12) {
		failed = ARGBToNV12(from, stride, y, y_stride, u, u_stride, width, height);
	} else {
		failed = ARGBToI420(from, stride, y, y_stride, u, u_stride,
			GST_VIDEO_FRAME_PLANE_DATA(out, 2), GST_VIDEO_FRAME_PLANE_STRIDE(out, 2), width, height);
	}
	if (failed == 0) return GST_FLOW_OK;
	GST_ELEMENT_ERROR(filter, STREAM, FORMAT, ("libyuv cannot convert a picture of %dx%d", width, height), (NULL));
	return GST_FLOW_ERROR;
}

static void convert_class_init(ConvertClass *class) {
	GstElementClass *element = GST_ELEMENT_CLASS(class);
	GstCaps *takes = gst_caps_from_string(TAKES), *gives = gst_caps_from_string(GIVES);
	gst_element_class_add_pad_template(element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, takes));
	gst_element_class_add_pad_template(element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, gives));
	gst_caps_unref(takes);
	gst_caps_unref(gives);
	gst_element_class_set_static_metadata(element, "libyuv converter", "Filter/Converter/Video",
		"Makes I420 or NV12 of the pictures of an X display", "streamstack");
	GST_BASE_TRANSFORM_CLASS(class)->transform_caps = transform_caps;
	GST_VIDEO_FILTER_CLASS(class)->transform_frame = transform;
}

static void convert_init(Convert *c) { (void)c; }

gboolean yuv_register(const char *name) {
	return gst_element_register(NULL, name, GST_RANK_NONE, convert_get_type());
}
