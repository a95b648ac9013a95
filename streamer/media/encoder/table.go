package encoder

import (
	"slices"

	"streamstack/streamer/frame"
)

// Table returns the known encoders, best first: AV1 and H.264 in hardware before all in software, and software AV1 last, since it
// takes several cores in real time (streamer-config.md, section 4); VP9 after VP8, as it is for clients that ask for it. The rows of
// one codec are in the order in which they stand in for each other.
func Table() []Row {
	return slices.Concat(hardware(), software())
}

// Converter is the element that makes YUV of a display's pictures: package yuv adds it to GStreamer in this process. It takes a
// tenth of videoconvert's time.
const Converter = "libyuvconvert"

// AOM is the element that encodes AV1 without hardware: package aom adds it to GStreamer in this process.
const AOM = "libaomenc"

// raw is the way into an encoder that takes pictures from main memory.
func raw(format string) []Stage {
	return []Stage{
		{Element: Converter},
		{Caps: "video/x-raw,format=" + format},
	}
}

// annexB is the way out of an H.264 encoder. Constrained baseline is what browsers must decode (RFC 7742, section 6.2). The parser
// repeats SPS and PPS with every keyframe.
func annexB(caps string) []Stage {
	return []Stage{
		{Caps: "video/x-h264," + caps},
		{Element: "h264parse", Properties: []Property{{Name: "config-interval", Value: "-1"}}},
		{Caps: "video/x-h264,stream-format=byte-stream,alignment=au"},
	}
}

const constrainedBaseline = "profile=constrained-baseline"

// obus is the way out of an AV1 encoder: whole temporal units (RTP Payload Format For AV1, section 3).
func obus() []Stage {
	return []Stage{{Element: "av1parse"}, {Caps: "video/x-av1,stream-format=obu-stream,alignment=tu"}}
}

// chain puts an encoder between its ways in and out.
func chain(in []Stage, encoder string, properties []Property, out []Stage) []Stage {
	return slices.Concat(in, []Stage{{Element: encoder, Properties: properties}}, out)
}

// Longest distances between keyframes, in pictures.
const (
	x264KeyintInfinite = "1073741824" // X264_KEYINT_MAX_INFINITE
	maxInt32           = "2147483647"
)

func software() []Row {
	return []Row{
		{
			Codec: frame.H264, Vendor: CPU, Element: "x264enc", Package: "gstreamer1.0-plugins-ugly",
			Chain: chain(raw("I420"), "x264enc", []Property{
				{Name: "speed-preset", Value: "ultrafast"}, {Name: "tune", Value: "zerolatency"},
				{Name: "bframes", Value: "0"}, {Name: "rc-lookahead", Value: "0"}, {Name: "sync-lookahead", Value: "0"}, {Name: "mb-tree", Value: "false"},
				// Slices of one picture are encoded in parallel, at no delay.
				{Name: "sliced-threads", Value: "true"}, {Name: "threads", Value: "{slices}"},
				{Name: "pass", Value: "cbr"}, {Name: "bitrate", Value: "{bitrate}"}, {Name: "vbv-buf-capacity", Value: "{vbv_ms}"},
				{Name: "key-int-max", Value: x264KeyintInfinite}, {Name: "aud", Value: "false"},
			}, annexB(constrainedBaseline+",stream-format=byte-stream,alignment=au")),
			Rate: Rate{Property: "bitrate", BitsPerUnit: 1000},
		},
		{
			// Each change of its bitrate costs a keyframe, and as `screen` it makes one of each picture that differs much: it is for
			// machines without x264.
			Codec: frame.H264, Vendor: CPU, Element: "openh264enc", Package: "gstreamer1.0-plugins-bad",
			Chain: chain(raw("I420"), "openh264enc", []Property{
				{Name: "usage-type", Value: "camera"}, {Name: "complexity", Value: "low"},
				{Name: "rate-control", Value: "bitrate"}, {Name: "bitrate", Value: "{bitrate}"}, {Name: "enable-frame-skip", Value: "false"},
				{Name: "gop-size", Value: "0"}, {Name: "scene-change-detection", Value: "false"}, // keyframes of its own otherwise
				{Name: "slice-mode", Value: "n-slices"}, {Name: "num-slices", Value: "{slices}"}, {Name: "multi-thread", Value: "{threads}"},
			}, annexB(constrainedBaseline+",stream-format=byte-stream,alignment=au")),
			Rate: Rate{Property: "bitrate", BitsPerUnit: 1},
		},
		{
			Codec: frame.VP8, Vendor: CPU, Element: "vp8enc", Package: "gstreamer1.0-plugins-good",
			Chain: chain(raw("I420"), "vp8enc", append(vpx("-12"), Property{Name: "token-partitions", Value: "1"}), nil),
			Rate:  Rate{Property: "target-bitrate", BitsPerUnit: 1, Unflagged: unflaggedVPX},
		},
		{
			Codec: frame.VP9, Vendor: CPU, Element: "vp9enc", Package: "gstreamer1.0-plugins-good",
			// Columns of tiles are what its threads share. Profile 0 is what a browser decodes that says nothing of profiles (RFC 9628, section 6.1).
			Chain: chain(raw("I420"), "vp9enc", append(vpx("-8"), Property{Name: "row-mt", Value: "true"}, Property{Name: "tile-columns", Value: "1"}),
				[]Stage{{Caps: "video/x-vp9,profile=(string)0"}}),
			Rate: Rate{Property: "target-bitrate", BitsPerUnit: 1, Unflagged: unflaggedVPX},
		},
		{
			// Of one core a picture of 1280x720 takes 4 to 23 ms at speed 10 (libaom 3.6, an easy and a hard one), 5 to 28 at 8, up to 35 at 7, more
			// than there is at 30 pictures a second.
			Codec: frame.AV1, Vendor: CPU, Element: AOM, Package: "libaom3",
			Chain: chain(raw("I420"), AOM, []Property{
				{Name: "cpu-used", Value: "10"}, {Name: "target-bitrate", Value: "{bitrate}"}, {Name: "threads", Value: "{threads}"},
			}, []Stage{{Caps: "video/x-av1,stream-format=obu-stream,alignment=tu"}}),
			Rate: Rate{Property: "target-bitrate", BitsPerUnit: 1000},
		},
		{
			// For GStreamer from 1.24 on, should libaom's own element fail; that of 1.22 is found not to work by the probe (package aom).
			Codec: frame.AV1, Vendor: CPU, Element: "av1enc", Package: "gstreamer1.0-plugins-bad",
			Chain: chain(raw("I420"), "av1enc", []Property{
				{Name: "usage-profile", Value: "realtime"}, {Name: "cpu-used", Value: "10"}, {Name: "lag-in-frames", Value: "0"},
				{Name: "end-usage", Value: "cbr"}, {Name: "target-bitrate", Value: "{bitrate}"},
				{Name: "buf-initial-sz", Value: "100"}, {Name: "buf-optimal-sz", Value: "120"}, {Name: "buf-sz", Value: "150"},
				// Without a range libaom ends the process with a failed assertion (ratectrl.c) when it runs out of bits.
				{Name: "min-quantizer", Value: "4"}, {Name: "max-quantizer", Value: "58"},
				{Name: "keyframe-mode", Value: "disabled"}, {Name: "keyframe-max-dist", Value: maxInt32},
				{Name: "row-mt", Value: "true"}, {Name: "tile-columns", Value: "1"}, {Name: "threads", Value: "{threads}"},
			}, obus()),
			Rate: Rate{Property: "target-bitrate", BitsPerUnit: 1000, Unflagged: "av1enc's setter reconfigures a running encoder (gstav1enc.c)"},
		},
	}
}

const unflaggedVPX = "the setter reconfigures a running encoder (gstvpxenc.c, gst_vpx_enc_set_property)"

// vpx are the properties that VP8 and VP9 share. libvpx has no buffer of one picture: below some 100 ms its rate control drops
// quality without need, so that the buffer is what WebRTC's own senders are near.
func vpx(cpuUsed string) []Property {
	return []Property{
		{Name: "deadline", Value: "1"}, {Name: "cpu-used", Value: cpuUsed}, {Name: "lag-in-frames", Value: "0"}, {Name: "threads", Value: "{threads}"},
		{Name: "error-resilient", Value: "default"}, {Name: "keyframe-mode", Value: "disabled"}, {Name: "keyframe-max-dist", Value: maxInt32},
		{Name: "end-usage", Value: "cbr"}, {Name: "target-bitrate", Value: "{bitrate}"},
		{Name: "buffer-initial-size", Value: "100"}, {Name: "buffer-optimal-size", Value: "120"}, {Name: "buffer-size", Value: "150"},
		{Name: "undershoot", Value: "95"}, {Name: "overshoot", Value: "15"}, {Name: "max-intra-bitrate", Value: "300"},
		{Name: "min-quantizer", Value: "4"}, {Name: "max-quantizer", Value: "63"}, {Name: "static-threshold", Value: "100"},
	}
}
