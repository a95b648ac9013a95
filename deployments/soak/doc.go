// Package soak holds the tests that kill parts of a stack again and again in the middle of signalling: gateways, and NATS.
//
// Gateways and NATS are processes of the real programs, NATS in operator mode and everybody with credentials of their role. The agent and the streamers are the real ones too, but run in the
// test: an instance here is a streamer that plays a recorded picture in place of a display, so that hundreds of sessions
// fit on a small machine. Clients are pion peers behind the resuming socket of gateway/client/signalling. What counts is
// looked up in the log alone.
//
// `task test` runs a few rounds, `task soak` two hundred:
//
//	go test ./deployments/soak -kills 200 -sessions 200 -seed 1
package soak
