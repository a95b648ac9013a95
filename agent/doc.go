// Package agent runs the sessions of one host.
//
// An agent pulls work only while it has a free slot: that is the load balancing, the back-pressure and the failover in
// one. It appends claimed with the expected sequence, so of two agents one wins; launches the instance through its
// driver; appends launched before the streamer is let go; and appends how the instance ended. It dials nobody: it reads
// the log and appends to it.
//
// The streamer gets its way into the log (a NATS address and credentials) through its standard input, and a durable
// consumer named s-<session> that the agent makes for it, since a streamer may not make any.
package agent
