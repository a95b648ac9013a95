// Package signalling is the client's end of a session's socket, for Go programs: native clients, probes and tests.
//
// A socket is a view of the session's log, so losing one loses nothing: the gateway numbers what it sends to a client that
// asks with `?after=SEQ`, and any gateway of the same log goes on after that number, with the same socket token. This
// package does what the console's signalling.js does in a browser: it opens the socket again whenever it was lost, drops
// what came twice, and sends again what nobody has confirmed; receivers ignore duplicates. It knows nothing of WebRTC.
package signalling
