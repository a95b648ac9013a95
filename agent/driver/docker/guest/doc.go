// Package guest is what runs inside a container of the docker driver: `streamstack instance`, the first process of its image.
//
// It reads one session from its standard input, starts it with the process driver (display, sound, streamer, application), and
// tells on its standard output how that goes. So whatever is true of an instance of the process driver is true of one in a
// container, and a container that runs is one session.
//
// # The words
//
// Both sides write JSON, one object to a line (RFC 8259). The agent says [Order]: first Boot, then, once display and sound are
// up and it has written down that the instance is launched, Go. The guest says [Report]: Up, Launched, and at its end Failed or
// Ending. The agent leaves after Launched; the engine keeps what was said, so that an agent that comes back reads it there.
// When the agent goes away before Go, nobody knows of the instance: the guest ends.
//
// A container that is started before its session comes gets Warm first, and says Warm when it waits; Boot then follows.
//
// # Secrets
//
// The streamer's way into the log goes through standard input and is nowhere else: not in the container's environment,
// arguments, labels or files, which everybody who may talk to the engine can read.
//
// # The first process
//
// The first process of a container inherits every orphan and has to wait for it, and a signal that it has no handler for does
// not reach it. So it does nothing else (init.go): the guest proper is its child.
package guest
