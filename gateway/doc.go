// Package gateway is the stack's public face: the REST API and the websocket of gateway-api.md and signalling.md, and
// the process managers that turn events into next events.
//
// A gateway keeps nothing that the log does not have. It has one contiguous [events.Log.Tail], which feeds the read
// model first and then the sockets of this process ([hub]); any number of gateways may run beside each other on one
// NATS, and a client may go on through another one.
//
// The websocket is a view of the log: what the streamer said to this client's peer, from the start of the negotiation,
// in order. What the client says is appended. The only thing the gateway says by itself is the answer to discover,
// which the streamer's ready event holds, and errors. A streamer that is not ours has the other end of that: a master socket,
// for which the gateway appends with the streamer's own credentials ([Gateway.masterSocket]).
//
// The process managers are durable consumers that all gateways share: work ([dispatcher]), deadlines ([deadlines]) and
// the loss of agents ([liveness]). Each of them decides on the session's state as it is in the log at that moment and
// appends with the expected sequence, so it does not matter which gateway is first, nor that an event comes twice.
package gateway
