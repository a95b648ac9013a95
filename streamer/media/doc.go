// Package media captures a screen and its sound and encodes them, through GStreamer in this process.
//
// A [Video] is one running pipeline: pictures of an X display (packages grab and cadence) → queue of one picture → conversion → encoder →
// a function of the caller; an [Audio] is the same for the monitor of a PulseAudio sink and Opus. Each pipeline is owned by one goroutine, which waits for
// what GStreamer reports on its bus, takes the pipeline down and closes Done. Nothing here paces, packetises or adapts: bitrate
// and keyframes are asked for by the peer.
//
// The encoders are rows of one ranked table (package encoder): hardware encoders are added there and nowhere else. Every row is tried
// on this machine by [Probe] before it is offered to anyone.
//
// Timestamps of all pipelines are readings of the same monotonic clock (GStreamer's system clock), so that a picture and a sound
// of the same moment carry the same PTS, whatever was started first.
//
// Two dangers of a C library in a Go process are averted here: GStreamer's own SIGSEGV handler, which would stand in for Go's
// whenever a plugin is loaded, is switched off (gstreamer.go); and Xlib, which calls exit(3) when its server goes away, is not used: no
// element that opens a display is in any pipeline.
package media
