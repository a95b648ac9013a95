package encoder

import (
	"cmp"
	"slices"

	"streamstack/streamer/frame"
)

// Found tells of one video encoder, as a probe found it.
type Found struct {
	// Name is the element of GStreamer, for instance x264enc.
	Name string
	// Codec is what it produces.
	Codec frame.Codec
	// Vendor is whose hardware it needs, or that it needs none.
	Vendor Vendor
	// Hardware tells that a GPU does the work.
	Hardware bool
	// OK tells that it encoded pictures on this machine.
	OK bool
	// Reason says why not, in one line, and what to do; empty when OK.
	Reason string
}

// Working is an encoder that was found to work.
type Working struct {
	Codec    frame.Codec
	Hardware bool
}

// Ranks of codecs among encoders in hardware and in software (streamer-config.md, section 4). What is not listed comes last.
var (
	inHardware = []frame.Codec{frame.AV1, frame.H264, frame.VP8, frame.VP9}
	inSoftware = []frame.Codec{frame.H264, frame.VP8, frame.VP9, frame.AV1}
)

// Choose orders the codecs to offer to one client: those it prefers first, in its order, then those that hardware encodes, then the
// others. Disabled ones are left out; nothing else is, for a client that prefers what it cannot have shall still get a picture.
// Which of them the client can decode shows in its answer, of which the first that is listed here is taken.
//
// The result is empty if nothing is left, and names no codec twice.
func Choose(working []Working, preferred, disabled []frame.Codec) []frame.Codec {
	ranked := slices.DeleteFunc(slices.Clone(working), func(w Working) bool { return slices.Contains(disabled, w.Codec) })
	slices.SortStableFunc(ranked, func(a, b Working) int { return cmp.Compare(rank(a, preferred), rank(b, preferred)) })
	chosen := []frame.Codec{}
	for _, w := range ranked {
		if !slices.Contains(chosen, w.Codec) {
			chosen = append(chosen, w.Codec)
		}
	}
	return chosen
}

// rank is lower for what is better: preferred before hardware before software.
func rank(w Working, preferred []frame.Codec) int {
	class, order := 2, inSoftware
	switch {
	case slices.Contains(preferred, w.Codec):
		class, order = 0, preferred
	case w.Hardware:
		class, order = 1, inHardware
	}
	const classes = 100 // more than there are codecs
	if i := slices.Index(order, w.Codec); i >= 0 {
		return class*classes + min(i, classes-2)
	}
	return class*classes + classes - 1
}
