// Package bridge carries the bytes of one TCP connection between a gateway and a streamer, both ways, over core NATS.
//
// A share lets somebody outside talk to a TCP port inside an instance. Gateway and instance may be on different hosts, and
// no component dials another: what both have is their connection to NATS. Bytes are not events, so they go past the log:
// only that a connection was opened and closed is in the history (share_opened, share_closed), which the gateway appends.
//
// The subjects are bridge.<region>.<session>.<connection>.<way>, with the ways open (the gateway asks for a connection,
// again and again until it is answered), up (from the gateway on) and down (from the streamer on). NATS permissions keep a
// streamer to its own session's.
//
// Core NATS delivers at most once and in order. Data frames carry the offset of their first byte, so what was lost is seen,
// and ends the connection: a stream with a hole would be worse than none. A side sends no more than a window beyond what
// the other has passed on, so a slow reader holds back the writer, as in TCP, and memory is bounded; a side that overruns
// the window is cut off. Both sides say now and then that they are there; one that falls silent has gone.
package bridge
