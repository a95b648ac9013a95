// Package sockets holds the two ends of the benchmark of many open sockets: a gateway and a client, each to be run in a
// process of its own, for a process may have 20,000 files open here and one that were both ends would need more; and since
// only so the gateway's memory is nobody else's.
//
// The processes are the benchmark's own binary again, told by the environment what to be. Each is spoken to in lines: a
// command on its standard input, an answer on its standard output. It ends when its input does, so that none is left
// behind by a benchmark that is killed.
package sockets
