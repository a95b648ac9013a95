package encoder

import (
	"strconv"
	"strings"

	"streamstack/streamer/frame"
)

// Vendor tells who does the work of encoding.
type Vendor string

// The vendors, best first: the order in which the rows of one codec are tried.
const (
	NVIDIA Vendor = "nvidia" // nvcodec
	VA     Vendor = "va"     // Intel and AMD
	QSV    Vendor = "qsv"    // Intel
	V4L2   Vendor = "v4l2"   // boards with a memory-to-memory encoder
	CPU    Vendor = "cpu"
)

// Property is `name=value` of an element. The value may hold placeholders, see [Row.Describe].
type Property struct {
	Name, Value string
	// Optional properties are left out where the installed element does not have them. GStreamer registers some only for GPUs that
	// can do what they switch; all that are optional here switch something off, or bound it.
	Optional bool
}

// Stage is one step of a pipeline: an element with its properties, or the format required between two elements.
type Stage struct {
	Element    string
	Properties []Property
	// Caps, in place of Element, is `media/type(features),field=value,…`.
	Caps string
}

// Rate says how the target bitrate is set, at the start and while playing.
type Rate struct {
	// Property takes the bitrate in units of BitsPerUnit: 1000 for kbit/s, 1 for bit/s.
	Property    string
	BitsPerUnit int
	// Prefix comes before the number, for a property that holds more than that.
	Prefix string
	// MaxKbps is the highest value the property takes, kbit/s; 0 for any that is asked for here.
	MaxKbps int
	// Buffer, if not empty, is the property for the size of the rate control buffer in kbit, which follows the bitrate. It is optional.
	Buffer string
	// Unflagged says why the property may be set while playing although GStreamer does not flag it so.
	Unflagged string
}

// Row is one encoder.
type Row struct {
	Codec  frame.Codec
	Vendor Vendor
	// Element is the name of GStreamer's element; it names the row.
	Element string
	// Package is the Debian 12 package that has it.
	Package string
	// Chain is what stands between raw pictures in main memory and the sink, the encoder among it.
	Chain []Stage
	Rate  Rate
}

// Hardware tells that a GPU or a chip of its own does the work.
func (r Row) Hardware() bool { return r.Vendor != CPU }

// Limits of the placeholders.
const (
	// maxSlices is how many slices of a picture are encoded in parallel: more trouble Chromium's decoder (media-notes.md, section 2).
	maxSlices = 4
	// maxThreads is for conversion and the VPx encoders: more cost more than they bring at the sizes of a screen.
	maxThreads = 2
)

// Has tells whether an installed element has a property.
type Has func(element, property string) bool

// Describe writes the row as a part of a gst-launch line, for fps pictures per second at kbps kbit/s on a machine of cpus
// processors. The encoder is named `encoder`. Optional properties that has denies are left out.
//
//	{bitrate}   target bitrate, as [Row.Bitrate] gives it
//	{vbv_ms}    rate control buffer of one picture, milliseconds
//	{vbv_kbit}  the same, kbit
//	{slices}    slices of a picture, at most four and one for each CPU
//	{threads}   threads, at most two and one for each CPU
func (r Row) Describe(fps, kbps, cpus int, has Has) string {
	var stages []string
	for _, s := range r.Chain {
		stages = append(stages, r.stage(s, has))
	}
	return strings.NewReplacer(
		"{bitrate}", r.bitrate(kbps),
		"{vbv_ms}", strconv.Itoa((1000+fps-1)/fps),
		"{vbv_kbit}", vbvKbit(fps, r.clamp(kbps)),
		"{slices}", strconv.Itoa(min(maxSlices, cpus)),
		"{threads}", strconv.Itoa(min(maxThreads, cpus)),
	).Replace(strings.Join(stages, " ! "))
}

func (r Row) stage(s Stage, has Has) string {
	if s.Caps != "" {
		return s.Caps
	}
	words := []string{s.Element}
	if s.Element == r.Element {
		words = append(words, "name=encoder")
	}
	for _, p := range s.Properties {
		if !p.Optional || has(s.Element, p.Name) {
			words = append(words, p.Name+"="+p.Value)
		}
	}
	return strings.Join(words, " ")
}

// Bitrate lists what is to be set on the encoder, while it plays, for a new target of kbps kbit/s at fps pictures per second.
func (r Row) Bitrate(fps, kbps int, has Has) []Property {
	set := []Property{{Name: r.Rate.Property, Value: r.bitrate(kbps)}}
	if r.Rate.Buffer != "" && has(r.Element, r.Rate.Buffer) {
		set = append(set, Property{Name: r.Rate.Buffer, Value: vbvKbit(fps, r.clamp(kbps))})
	}
	return set
}

func (r Row) bitrate(kbps int) string {
	return r.Rate.Prefix + strconv.Itoa(r.clamp(kbps)*1000/r.Rate.BitsPerUnit)
}

func (r Row) clamp(kbps int) int {
	if r.Rate.MaxKbps > 0 {
		kbps = min(kbps, r.Rate.MaxKbps)
	}
	return kbps
}

// vbvKbit is one picture's share of the bitrate, never 0: that would mean the encoder's own choice.
func vbvKbit(fps, kbps int) string { return strconv.Itoa(max(1, kbps/fps)) }

// Elements lists the elements of the row's chain, each once.
func (r Row) Elements() (names []string) {
	seen := map[string]bool{}
	for _, s := range r.Chain {
		if s.Element != "" && !seen[s.Element] {
			seen[s.Element] = true
			names = append(names, s.Element)
		}
	}
	return names
}
