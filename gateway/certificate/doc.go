// Package certificate keeps the gateway's TLS certificate: files that somebody else renews ([Files]), or a self-signed one of
// our own ([SelfSigned]). Either is looked at when a client connects, so that a renewed certificate is used from the next
// connection on, without a restart and without a clock of its own; connections that are open keep what they have.
//
// TLS is 1.3 and nothing older (RFC 8446), as the service whose API this is demands it of its clients; that leaves no
// cipher suites and no curves to choose.
package certificate
