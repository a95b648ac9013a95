package media

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"streamstack/streamer/frame"
)

// row describes one video encoder of GStreamer. A row is data only, so that a new encoder needs no new code.
type row struct {
	codec    frame.Codec
	element  string
	hardware bool
	// properties are `name=value` pairs as on a gst-launch command line; values may hold placeholders, see expand.
	properties []string
	// bitrate is the property for the target bitrate, which must be changeable while playing, and bitsPerUnit its unit: 1000 for
	// kbit/s, 1 for bit/s.
	bitrate     string
	bitsPerUnit int
	// pipeline is what stands between raw pictures and the sink; {encoder} is the element with its properties.
	pipeline string
}

// x264KeyintInfinite is X264_KEYINT_MAX_INFINITE: keyframes come on request only.
const x264KeyintInfinite = "1073741824"

// rows are the known encoders, best first: hardware before software, H.264 before VP8 (streamer-config.md, section 4).
//
// Common to all: constant bitrate, one reference's worth of delay at most (no B-frames, no lookahead), no periodic keyframes, and
// a rate control buffer of one to a few pictures, because what does not fit the line's rate now arrives late.
var rows = []row{
	{
		codec:   frame.H264,
		element: "x264enc",
		properties: []string{
			"speed-preset=ultrafast", "tune=zerolatency", "bframes=0", "rc-lookahead=0", "sync-lookahead=0", "mb-tree=false",
			// Slices of one picture are encoded in parallel, at no delay. More than four trouble Chromium's decoder.
			"sliced-threads=true", "threads={slices}",
			"pass=cbr", "bitrate={kbps}", "vbv-buf-capacity={vbv_ms}",
			"key-int-max=" + x264KeyintInfinite, "aud=false",
		},
		bitrate:     "bitrate",
		bitsPerUnit: 1000,
		// Constrained baseline is what browsers must decode (RFC 7742, 6.2). The parser repeats SPS and PPS with every keyframe.
		pipeline: "videoconvert n-threads={threads} ! video/x-raw,format=I420 ! {encoder} ! " +
			"video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! h264parse config-interval=-1 ! " +
			"video/x-h264,stream-format=byte-stream,alignment=au",
	},
	{
		codec:   frame.VP8,
		element: "vp8enc",
		properties: []string{
			"deadline=1", "cpu-used=-12", "lag-in-frames=0", "threads={threads}", "token-partitions=1",
			"error-resilient=default", "keyframe-mode=disabled", "keyframe-max-dist=2147483647",
			"end-usage=cbr", "target-bitrate={bps}", "buffer-initial-size=100", "buffer-optimal-size=120", "buffer-size=150",
			"undershoot=95", "overshoot=15", "max-intra-bitrate=300", "min-quantizer=4", "max-quantizer=63",
			"static-threshold=100",
		},
		bitrate:     "target-bitrate",
		bitsPerUnit: 1,
		pipeline:    "videoconvert n-threads={threads} ! video/x-raw,format=I420 ! {encoder}",
	},
}

// Limits of the placeholders.
const (
	maxSlices  = 4 // see the row of x264enc
	maxThreads = 2 // for conversion and VP8: more cost more than they bring at the sizes of a screen
)

// expand writes the row as a pipeline for fps pictures per second at kbps kbit/s.
//
//	{kbps} {bps}  target bitrate
//	{vbv_ms}      rate control buffer of 1.5 pictures, milliseconds
//	{slices}      slices of a picture, at most maxSlices and one for each CPU
//	{threads}     threads, at most maxThreads and one for each CPU
func (r row) expand(fps, kbps int) string {
	cpus := runtime.GOMAXPROCS(0)
	encoder := r.element + " name=encoder " + strings.Join(r.properties, " ")
	return strings.NewReplacer(
		"{kbps}", strconv.Itoa(kbps),
		"{bps}", strconv.Itoa(kbps*1000),
		"{vbv_ms}", strconv.Itoa((1500+fps-1)/fps),
		"{slices}", strconv.Itoa(min(maxSlices, cpus)),
		"{threads}", strconv.Itoa(min(maxThreads, cpus)),
	).Replace(strings.Replace(r.pipeline, "{encoder}", encoder, 1))
}

// bitrateArg is the value of the row's bitrate property for kbps kbit/s.
func (r row) bitrateArg(kbps int) string { return strconv.Itoa(kbps * 1000 / r.bitsPerUnit) }

// Encoder tells of one video encoder, as [Probe] found it.
type Encoder struct {
	// Name is the element of GStreamer, for instance x264enc; it is what VideoConfig.Encoder takes.
	Name string
	// Codec is what it produces.
	Codec frame.Codec
	// Hardware tells that a GPU does the work.
	Hardware bool
	// OK tells that it encoded a picture on this machine.
	OK bool
	// Reason says why not, in one line, and what to do; empty when OK.
	Reason string
}

func (r row) encoder() Encoder { return Encoder{Name: r.element, Codec: r.codec, Hardware: r.hardware} }

// chooseRow returns the named encoder of a codec, or with an empty name the best one that is installed.
func chooseRow(codec frame.Codec, name string) (row, error) {
	for _, r := range rows {
		if r.codec != codec || name != "" && r.element != name {
			continue
		}
		if name == "" && !installed(r.element) {
			continue
		}
		return r, nil
	}
	if name != "" {
		return row{}, fmt.Errorf("media: no encoder %s for %s is known: take one that Probe lists", name, codec)
	}
	for _, r := range rows {
		if r.codec == codec {
			return row{}, fmt.Errorf("media: no encoder for %s: %w", codec, missingError([]string{r.element}))
		}
	}
	return row{}, fmt.Errorf("media: no encoder for %s is known: take a codec that Probe lists", codec)
}
