// Package impair is a bad network for tests: a UDP relay that delays, loses, queues and reorders packets as a seed and a
// profile say.
//
// Kernels of build machines often lack netem, and network namespaces take privileges, so a client is led through the relay
// instead: it is told the relay's address in place of its TURN server's and may use TURN only. Every packet of its
// connection, in both directions, then passes here, over loopback and without any right.
//
//	r, err := impair.Listen(ctx, impair.Config{Target: turn, Seed: 1, Down: impair.Profile{Delay: 10 * time.Millisecond}})
//	// the client uses turn:r.Addr()?transport=udp
//	begun := r.Apply(up, down) // from here on the times of these profiles count
//
// A [Link] is one direction, computed in virtual time: what happens to a packet follows from the profile, the seed and the
// sizes and times of the packets before it, and from nothing else. What a packet meets, in this order: an outage, the
// bottleneck's queue, the bottleneck, loss, delay with jitter. So lost packets have used the bottleneck, as on a radio link.
//
// A [Relay] is two links and one loop on a thread of its own, in ppoll(2): Go's own timers are late by up to a millisecond
// where all threads sleep, for the runtime's epoll_wait counts in milliseconds. What the relay adds by itself is measured:
// [Stats.Late]. Linux only.
package impair
