// Package encoder is the table of video encoders: which elements of GStreamer make up the pipeline of each, with which properties,
// and in which order they are preferred. Every pipeline that encodes video is written from it.
//
// It is data, apart from [streamstack/streamer/media], and free of cgo, for two reasons. Most rows are of GPUs that the machine which
// builds this does not have: a test compares each of them, element by element and value by value, with what GStreamer documents
// (testdata/README.md). And the choice of a codec must be the same wherever it is asked for.
//
// Common to all rows: constant bitrate; no B-frames and no lookahead, so that a picture leaves before the next one comes; a rate
// control buffer of one picture, because what does not fit the line's rate now arrives late; keyframes on request only, or as rarely
// as the element can; parameter sets with each keyframe; pictures stay in the GPU's memory once they are there.
//
// Known encoders that have no row, and why: svtav1enc and rav1enc cannot change their bitrate while playing, and Debian 12 has neither;
// vavp9enc refused every change while playing in the source that was read (gstvavp9enc.c, 075937dc); H.265 has no payloader in pion v3, and
// few browsers.
//
// AV1 without hardware is encoded by an element of our own (package aom), since GStreamer 1.22's av1enc loses the request for a keyframe: the
// probe finds that, and says so. A newer one stands in for ours. It is the last choice but of clients that ask for it: it takes more of
// a processor than the others.
package encoder
