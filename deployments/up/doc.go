// Package up is the all-in-one composition, `streamstack up`: embedded NATS with JetStream on disk, TURN, a gateway with
// the console, and an agent with the process driver, in one process. Only the instances are children.
//
// It is put together by hand: started in order, stopped in the reverse, each step with a deadline. What an earlier run
// that was killed left behind (processes, sessions without an ending) is ended before new work is taken.
package up
