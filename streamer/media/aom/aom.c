#include "aom.h"

#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
#include <gst/video/gstvideoencoder.h>
#include <gst/video/video.h>

#define TAKES GST_VIDEO_CAPS_MAKE("I420")
// What libaom gives for a picture is a temporal unit, its delimiter first, with a sequence header where it is a keyframe.
#define GIVES "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu, profile=(string)main"

enum { PROP_0, PROP_BITRATE, PROP_THREADS, PROP_SPEED };

typedef struct {
	GstVideoEncoder parent;
	guint bitrate, threads, speed; // under the object's lock
	gboolean changed;              // likewise: the bitrate is not the encoder's yet
	// Of the streaming thread.
	gboolean running;
	aom_codec_ctx_t codec;
	aom_codec_enc_cfg_t config;
	GstVideoCodecState *input;
	aom_codec_pts_t count;
} Encoder;
typedef struct { GstVideoEncoderClass parent; } EncoderClass;

GType encoder_get_type(void);
G_DEFINE_TYPE(Encoder, encoder, GST_TYPE_VIDEO_ENCODER)

// refuse reports what libaom said and ends the stream.
static void refuse(Encoder *e, const char *what) {
	const char *detail = e->running ? aom_codec_error_detail(&e->codec) : NULL;
	GST_ELEMENT_ERROR(e, LIBRARY, ENCODE, ("libaom: %s", what), ("%s", detail != NULL ? detail : "no further reason"));
}

static void end(Encoder *e) {
	if (e->running) aom_codec_destroy(&e->codec);
	e->running = FALSE;
	g_clear_pointer(&e->input, gst_video_codec_state_unref);
}

static int control(Encoder *e, int what, int value) {
	return aom_codec_control(&e->codec, what, value) != AOM_CODEC_OK;
}

// tune switches off what costs more time than it saves bits at this speed, as libwebrtc does for its own encoder.
static gboolean tune(Encoder *e, guint threads) {
	int columns = 0; // log2
	while (columns < 2 && (2u << columns) <= threads) columns++;
	int failed = control(e, AOME_SET_CPUUSED, (int)e->speed) | control(e, AV1E_SET_ROW_MT, 1) | control(e, AV1E_SET_TILE_COLUMNS, columns) |
		control(e, AV1E_SET_AQ_MODE, 3) | control(e, AOME_SET_MAX_INTRA_BITRATE_PCT, 300) |
		control(e, AV1E_SET_ENABLE_TPL_MODEL, 0) | control(e, AV1E_SET_DELTAQ_MODE, 0) | control(e, AV1E_SET_ENABLE_ORDER_HINT, 0) |
		control(e, AV1E_SET_COEFF_COST_UPD_FREQ, 3) | control(e, AV1E_SET_MODE_COST_UPD_FREQ, 3) | control(e, AV1E_SET_MV_COST_UPD_FREQ, 3) |
		control(e, AV1E_SET_ENABLE_OBMC, 0) | control(e, AV1E_SET_ENABLE_WARPED_MOTION, 0) | control(e, AV1E_SET_ENABLE_GLOBAL_MOTION, 0) |
		control(e, AV1E_SET_ENABLE_REF_FRAME_MVS, 0) | control(e, AV1E_SET_ENABLE_CFL_INTRA, 0) | control(e, AV1E_SET_ENABLE_SMOOTH_INTRA, 0) |
		control(e, AV1E_SET_ENABLE_ANGLE_DELTA, 0) | control(e, AV1E_SET_ENABLE_FILTER_INTRA, 0) |
		control(e, AV1E_SET_INTRA_DEFAULT_TX_ONLY, 1) | control(e, AV1E_SET_DISABLE_TRELLIS_QUANT, 1) |
		// What the display's pictures are converted to (package yuv); a decoder that is not told takes another.
		control(e, AV1E_SET_COLOR_PRIMARIES, AOM_CICP_CP_BT_601) | control(e, AV1E_SET_TRANSFER_CHARACTERISTICS, AOM_CICP_TC_BT_601) |
		control(e, AV1E_SET_MATRIX_COEFFICIENTS, AOM_CICP_MC_BT_601) | control(e, AV1E_SET_COLOR_RANGE, AOM_CR_STUDIO_RANGE);
	return !failed;
}

static gboolean set_format(GstVideoEncoder *base, GstVideoCodecState *state) {
	Encoder *e = (Encoder *)base;
	end(e);
	if (aom_codec_enc_config_default(aom_codec_av1_cx(), &e->config, AOM_USAGE_REALTIME) != AOM_CODEC_OK) {
		refuse(e, "no settings for live pictures");
		return FALSE;
	}
	GST_OBJECT_LOCK(e);
	guint threads = e->threads;
	e->config.rc_target_bitrate = e->bitrate;
	e->changed = FALSE;
	GST_OBJECT_UNLOCK(e);
	aom_codec_enc_cfg_t *c = &e->config;
	c->g_w = (unsigned)GST_VIDEO_INFO_WIDTH(&state->info);
	c->g_h = (unsigned)GST_VIDEO_INFO_HEIGHT(&state->info);
	c->g_threads = threads;
	// Pictures are counted: the feed gives them at an even rate.
	c->g_timebase.num = GST_VIDEO_INFO_FPS_D(&state->info) > 0 ? GST_VIDEO_INFO_FPS_D(&state->info) : 1;
	c->g_timebase.den = GST_VIDEO_INFO_FPS_N(&state->info) > 0 ? GST_VIDEO_INFO_FPS_N(&state->info) : 30;
	c->g_pass = AOM_RC_ONE_PASS;
	c->g_lag_in_frames = 0;
	c->g_error_resilient = 0;
	c->kf_mode = AOM_KF_DISABLED;
	c->rc_end_usage = AOM_CBR;
	c->rc_dropframe_thresh = 0;
	c->rc_resize_mode = 0;
	// libaom has no buffer of one picture: below some 100 ms its rate control drops quality without need.
	c->rc_buf_initial_sz = 100, c->rc_buf_optimal_sz = 120, c->rc_buf_sz = 150;
	c->rc_undershoot_pct = 50, c->rc_overshoot_pct = 50;
	// Without a range libaom of Debian 12 ends the process with a failed assertion (ratectrl.c) when it runs out of bits.
	c->rc_min_quantizer = 4, c->rc_max_quantizer = 58;
	if (aom_codec_enc_init(&e->codec, aom_codec_av1_cx(), c, 0) != AOM_CODEC_OK) {
		refuse(e, "it does not start");
		return FALSE;
	}
	e->running = TRUE;
	e->count = 0;
	if (!tune(e, threads)) {
		refuse(e, "it does not know its own settings");
		return FALSE;
	}
	e->input = gst_video_codec_state_ref(state);
	GstVideoCodecState *output = gst_video_encoder_set_output_state(base, gst_caps_from_string(GIVES), state);
	gst_video_codec_state_unref(output);
	gst_video_encoder_set_latency(base, 0, 0);
	return TRUE;
}

// follow takes a bitrate that was set meanwhile.
static gboolean follow(Encoder *e) {
	GST_OBJECT_LOCK(e);
	gboolean changed = e->changed;
	e->config.rc_target_bitrate = e->bitrate;
	e->changed = FALSE;
	GST_OBJECT_UNLOCK(e);
	return !changed || aom_codec_enc_config_set(&e->codec, &e->config) == AOM_CODEC_OK;
}

// encode gives libaom a picture.
static gboolean encode(Encoder *e, GstVideoCodecFrame *frame) {
	GstVideoFrame picture;
	if (!gst_video_frame_map(&picture, &e->input->info, frame->input_buffer, GST_MAP_READ)) return FALSE;
	aom_image_t image;
	memset(&image, 0, sizeof image);
	// The planes are then set to where they are: nothing is copied.
	gboolean ok = aom_img_wrap(&image, AOM_IMG_FMT_I420, e->config.g_w, e->config.g_h, 1, GST_VIDEO_FRAME_PLANE_DATA(&picture, 0)) != NULL;
	for (int i = 0; i < 3; i++) {
		image.planes[i] = GST_VIDEO_FRAME_PLANE_DATA(&picture, i);
		image.stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(&picture, i);
	}
	aom_enc_frame_flags_t flags = GST_VIDEO_CODEC_FRAME_IS_FORCE_KEYFRAME(frame) ? AOM_EFLAG_FORCE_KF : 0;
	ok = ok && aom_codec_encode(&e->codec, &image, e->count++, 1, flags) == AOM_CODEC_OK;
	gst_video_frame_unmap(&picture);
	return ok;
}

static GstFlowReturn handle_frame(GstVideoEncoder *base, GstVideoCodecFrame *frame) {
	Encoder *e = (Encoder *)base;
	if (!follow(e) || !encode(e, frame)) {
		refuse(e, "a picture is not encoded");
		gst_video_encoder_finish_frame(base, frame); // without a buffer: dropped
		return GST_FLOW_ERROR;
	}
	aom_codec_iter_t next = NULL;
	for (const aom_codec_cx_pkt_t *p; (p = aom_codec_get_cx_data(&e->codec, &next)) != NULL;) {
		if (p->kind != AOM_CODEC_CX_FRAME_PKT) continue;
		GstBuffer *part = gst_buffer_new_memdup(p->data.frame.buf, p->data.frame.sz);
		frame->output_buffer = frame->output_buffer == NULL ? part : gst_buffer_append(frame->output_buffer, part);
		if (p->data.frame.flags & AOM_FRAME_IS_KEY) GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
	}
	return gst_video_encoder_finish_frame(base, frame);
}

static gboolean stop(GstVideoEncoder *base) {
	end((Encoder *)base);
	return TRUE;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
	Encoder *e = (Encoder *)object;
	GST_OBJECT_LOCK(e);
	switch (id) {
	case PROP_BITRATE: e->bitrate = g_value_get_uint(value), e->changed = TRUE; break;
	case PROP_THREADS: e->threads = g_value_get_uint(value); break;
	case PROP_SPEED: e->speed = g_value_get_uint(value); break;
	default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
	}
	GST_OBJECT_UNLOCK(e);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
	Encoder *e = (Encoder *)object;
	GST_OBJECT_LOCK(e);
	switch (id) {
	case PROP_BITRATE: g_value_set_uint(value, e->bitrate); break;
	case PROP_THREADS: g_value_set_uint(value, e->threads); break;
	case PROP_SPEED: g_value_set_uint(value, e->speed); break;
	default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
	}
	GST_OBJECT_UNLOCK(e);
}

static void encoder_class_init(EncoderClass *class) {
	GObjectClass *object = G_OBJECT_CLASS(class);
	object->set_property = set_property;
	object->get_property = get_property;
	const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
	g_object_class_install_property(object, PROP_BITRATE, g_param_spec_uint("target-bitrate", "bitrate", "Target bitrate, kbit/s",
		1, 2000000, 1000, flags | (GParamFlags)GST_PARAM_MUTABLE_PLAYING));
	g_object_class_install_property(object, PROP_THREADS, g_param_spec_uint("threads", "threads", "Threads to encode with", 1, 64, 1, flags));
	g_object_class_install_property(object, PROP_SPEED, g_param_spec_uint("cpu-used", "speed", "Speed, 7 to 10 for live pictures", 5, 10, 10, flags));
	GstElementClass *element = GST_ELEMENT_CLASS(class);
	GstCaps *takes = gst_caps_from_string(TAKES), *gives = gst_caps_from_string(GIVES);
	gst_element_class_add_pad_template(element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, takes));
	gst_element_class_add_pad_template(element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, gives));
	gst_caps_unref(takes);
	gst_caps_unref(gives);
	gst_element_class_set_static_metadata(element, "libaom encoder for live pictures", "Codec/Encoder/Video",
		"AV1 with keyframes on request", "streamstack");
	GstVideoEncoderClass *encoder = GST_VIDEO_ENCODER_CLASS(class);
	encoder->set_format = set_format;
	encoder->handle_frame = handle_frame;
	encoder->stop = stop;
}

static void encoder_init(Encoder *e) { e->bitrate = 1000, e->threads = 1, e->speed = 10; }

gboolean aom_register(const char *name) {
	return gst_element_register(NULL, name, GST_RANK_NONE, encoder_get_type());
}
