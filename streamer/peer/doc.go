// Package peer is the streamer's half of one WebRTC connection to one client.
//
// A Peer takes encoded pictures and sound (package frame), packs them into RTP and sends them; it carries the data
// channels the client makes; and it tells its owner, through Handlers, what the client needs: a key frame, another
// bitrate, an answer to a message, the end of the stream. It knows nothing of encoders, of input or of the signalling
// socket: descriptions and candidates go in and out as text.
//
// The descriptions follow the project's signalling specification, version 2 (the streamer offers) and version 1 (the
// client offers). One Peer serves one client once: there is no renegotiation and no ICE restart.
//
// # Concurrency
//
// All methods are safe for concurrent use. Handlers are called one at a time, in order, on a goroutine of the peer;
// none runs after Close has returned. A handler must return soon, and must not call Close itself (Close waits for the
// handler): it starts Close on another goroutine.
package peer
