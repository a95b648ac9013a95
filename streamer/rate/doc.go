// Package rate estimates, at the sender, how much a path carries, from the receiver's transport-wide feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01), and divides that into a bitrate and a frame rate for an encoder.
//
// # Why our own
//
// The ideas are those of Google congestion control (draft-ietf-rmcat-gcc-02) as libwebrtc has developed it since: the trend of
// the one-way delay between groups of packets, compared with a threshold that adapts; additive and multiplicative increase
// around a remembered capacity; probes; detection of a sender that does not use what it has. pion's version of it has neither
// probes nor that detection, grows by the delay alone and takes the silence of a still screen for a narrow path. Ours differs
// from both where a remote screen does from a call:
//
//   - What stands in the path's queue is measured too, not only whether it grows. A decrease takes as much below the measured
//     capacity as drains the queue within a quarter of a second, and then goes back to almost all of the capacity: a screen wants
//     short queues and all of the path, and GCC's fixed 85 % gives neither.
//   - Loss counts only as far as it is more than the path always loses. A radio that loses 5 % at any rate is not helped by a
//     lower one; a policer that drops what is above its rate is.
//   - The rate is probed also under load, and the more rarely the less the probes find: a path that has become wider again is
//     found within seconds and not within the minute that additive increase takes.
//   - Silence of the receiver is a state of its own ([State].Outage). Nothing is learnt from what was lost in it; the estimate is
//     held and taken up again.
//
// # How it is used
//
// An [Estimator] is told of each packet when it is sent and of each feedback when it comes, and asked to look at the clock
// some fifty times a second. It holds no clock, no goroutine and no lock: the time is an argument everywhere, so that whole
// calls are tested in virtual time (package linktest). Sizes are those on the wire, with all headers.
//
// Not safe for concurrent use: the owner has a lock.
package rate
