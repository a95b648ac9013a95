// Package pacer decides what a sender sends next, and when.
//
// [Pictures] is the queue before the packets: whole encoded pictures, bounded by the time that they will take. It never
// blocks whoever puts a picture in. What does not fit is dropped up to the next key frame, before it has sequence numbers, so that
// the receiver sees no gap and asks for nothing.
//
// [Pacer] is the queue of packets, in classes: sound goes at once, then repeats of what was lost, then pictures, and padding where
// a probe of the path asks for it. Everything but sound passes a leaky bucket. A bucket is deep enough for one usual picture:
// to spread it would cost the latency that the rest of the streamer works for, and a path's queue takes that much.
//
// Both are pure: they hold no clock, no goroutine and no lock, and what they carry is the caller's. Not safe for concurrent
// use: the owner has a lock, or one goroutine.
package pacer
