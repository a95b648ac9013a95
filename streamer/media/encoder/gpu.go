package encoder

import (
	"slices"

	"streamstack/streamer/frame"
)

// NVIDIA's newer and older encoder, for what both Debian's 1.22 and later versions of GStreamer call them.
const (
	bad         = "gstreamer1.0-plugins-bad"
	nvPreset    = "p4"
	nvPreset122 = "low-latency-hq"
)

// cuda takes pictures into NVIDIA's memory and converts them there.
func cuda() []Stage {
	return []Stage{{Element: "cudaupload"}, {Element: "cudaconvert"}, {Caps: "video/x-raw(memory:CUDAMemory),format=NV12"}}
}

// surfaces takes pictures into VA's memory and converts them there. Not every driver takes the BGRx of an X display, so that
// videoconvert may have to make BGRA of it; where the driver does, it hands pictures through.
func surfaces() []Stage {
	return []Stage{
		{Element: "videoconvert", Properties: []Property{{Name: "n-threads", Value: "{threads}"}}},
		{Element: "vapostproc"},
		{Caps: "video/x-raw(memory:VAMemory),format=NV12"},
	}
}

// nvenc are the properties of all of NVIDIA's encoders; more are those of one.
func nvenc(preset, rateControl string, more ...Property) []Property {
	return append([]Property{
		{Name: "preset", Value: preset}, {Name: "rc-mode", Value: rateControl}, {Name: "bitrate", Value: "{bitrate}"},
		{Name: "vbv-buffer-size", Value: "{vbv_kbit}", Optional: true},
		{Name: "zerolatency", Value: "true"}, {Name: "bframes", Value: "0", Optional: true}, {Name: "b-adapt", Value: "false", Optional: true},
		{Name: "rc-lookahead", Value: "0", Optional: true}, {Name: "gop-size", Value: "-1"}, {Name: "strict-gop", Value: "true"},
	}, more...)
}

var nvRate = Rate{Property: "bitrate", BitsPerUnit: 1000, Buffer: "vbv-buffer-size"}

// va are the properties of the encoders of Intel and AMD for H.264. 1024 pictures is the longest distance of keyframes they know.
func va() []Property {
	return []Property{
		{Name: "rate-control", Value: "cbr"}, {Name: "bitrate", Value: "{bitrate}"}, {Name: "cpb-size", Value: "{vbv_kbit}"},
		{Name: "b-frames", Value: "0"}, {Name: "ref-frames", Value: "1"}, {Name: "key-int-max", Value: "1024"},
		{Name: "target-usage", Value: "6"}, {Name: "mbbrc", Value: "disabled"}, {Name: "aud", Value: "false"},
		{Name: "cabac", Value: "false"}, {Name: "dct8x8", Value: "false"}, // neither is in constrained baseline
	}
}

var vaRate = Rate{Property: "bitrate", BitsPerUnit: 1000, Buffer: "cpb-size"}

// qsv are the properties of all encoders of Intel's Quick Sync. They have none for the buffer; low-latency keeps one picture in work.
func qsv(gop string, more ...Property) []Property {
	return append([]Property{
		{Name: "rate-control", Value: "cbr"}, {Name: "bitrate", Value: "{bitrate}"}, {Name: "low-latency", Value: "true"},
		{Name: "ref-frames", Value: "1"}, {Name: "gop-size", Value: gop}, {Name: "target-usage", Value: "6"},
	}, more...)
}

// qsvRate is for H.264; those for AV1 and VP9 take 16 bits.
func qsvRate(maxKbps int, source string) Rate {
	return Rate{Property: "bitrate", BitsPerUnit: 1000, MaxKbps: maxKbps, Unflagged: "the setter marks a bitrate update (" + source + ")"}
}

const max16 = 65535

// hardware are the rows of GPUs and chips. None of them has run on hardware yet.
func hardware() []Row {
	return []Row{
		{
			Codec: frame.AV1, Vendor: NVIDIA, Element: "nvav1enc", Package: bad, Rate: nvRate,
			Chain: chain(cuda(), "nvav1enc", nvenc(nvPreset, "cbr",
				Property{Name: "tune", Value: "ultra-low-latency"}, Property{Name: "multi-pass", Value: "disabled"}), obus()),
		},
		{
			Codec: frame.AV1, Vendor: VA, Element: "vaav1enc", Package: bad, Rate: vaRate,
			Chain: chain(surfaces(), "vaav1enc", []Property{
				{Name: "rate-control", Value: "cbr"}, {Name: "bitrate", Value: "{bitrate}"}, {Name: "cpb-size", Value: "{vbv_kbit}"},
				{Name: "hierarchical-level", Value: "1"}, {Name: "ref-frames", Value: "1"}, {Name: "key-int-max", Value: "1024"},
				{Name: "target-usage", Value: "6"}, {Name: "mbbrc", Value: "disabled"},
			}, obus()),
		},
		{
			Codec: frame.AV1, Vendor: QSV, Element: "qsvav1enc", Package: bad, Rate: qsvRate(max16, "gstqsvav1enc.cpp"),
			Chain: chain(surfaces(), "qsvav1enc", qsv(maxInt32), obus()),
		},
		{
			Codec: frame.H264, Vendor: NVIDIA, Element: "nvh264enc", Package: bad, Rate: nvRate,
			Chain: chain(cuda(), "nvh264enc", nvenc(nvPreset, "cbr",
				Property{Name: "tune", Value: "ultra-low-latency"}, Property{Name: "multi-pass", Value: "disabled"},
				Property{Name: "repeat-sequence-header", Value: "true"}, Property{Name: "aud", Value: "false"}),
				annexB(constrainedBaseline+",stream-format=byte-stream")),
		},
		{
			// The same encoder as GStreamer 1.22 (Debian 12) has it, where nvh264enc is an older one; it has no tune and no p1 to p7.
			Codec: frame.H264, Vendor: NVIDIA, Element: "nvcudah264enc", Package: bad, Rate: nvRate,
			Chain: chain(cuda(), "nvcudah264enc", nvenc(nvPreset122, "cbr-ld-hq",
				Property{Name: "repeat-sequence-header", Value: "true"}, Property{Name: "aud", Value: "false"}),
				annexB(constrainedBaseline+",stream-format=byte-stream")),
		},
		{
			Codec: frame.H264, Vendor: VA, Element: "vah264enc", Package: bad, Rate: vaRate,
			Chain: chain(surfaces(), "vah264enc", va(), annexB(constrainedBaseline)),
		},
		{
			// Newer GPUs of Intel have this one only.
			Codec: frame.H264, Vendor: VA, Element: "vah264lpenc", Package: bad, Rate: vaRate,
			Chain: chain(surfaces(), "vah264lpenc", va(), annexB(constrainedBaseline)),
		},
		{
			Codec: frame.H264, Vendor: QSV, Element: "qsvh264enc", Package: bad, Rate: qsvRate(0, "gstqsvh264enc.cpp"),
			Chain: chain(surfaces(), "qsvh264enc", qsv("65535", Property{Name: "b-frames", Value: "0"}, Property{Name: "idr-interval", Value: "0"}),
				annexB(constrainedBaseline+",stream-format=byte-stream")),
		},
		{
			// The driver's controls are one property. Those it does not know it leaves alone. Browsers ignore the level.
			Codec: frame.H264, Vendor: V4L2, Element: "v4l2h264enc", Package: "gstreamer1.0-plugins-good",
			Chain: chain(raw("NV12"), "v4l2h264enc", []Property{{Name: "extra-controls", Value: "{bitrate}"}},
				annexB("level=(string)4,profile=(string)baseline")),
			Rate: Rate{
				Property: "extra-controls", BitsPerUnit: 1, Unflagged: "the setter hands the controls to the open device (gstv4l2object.c)",
				Prefix: "controls,repeat_sequence_header=1,video_bitrate_mode=1,video_b_frames=0,h264_i_frame_period=" + maxInt32 + ",video_bitrate=",
			},
		},
		{
			Codec: frame.VP9, Vendor: QSV, Element: "qsvvp9enc", Package: bad, Rate: qsvRate(max16, "gstqsvvp9enc.cpp"),
			Chain: slices.Concat(chain(surfaces(), "qsvvp9enc", qsv(maxInt32), nil), []Stage{{Caps: "video/x-vp9,profile=(string)0"}}),
		},
	}
}
