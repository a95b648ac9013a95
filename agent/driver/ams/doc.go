// Package ams is the driver that has the Anbox Management Service (AMS) run the instances: Android in containers or virtual
// machines on a cluster of nodes. Section numbers in this package are those of spec/ams-api.md.
//
// # Trust
//
// Both sides show certificates, TLS 1.3 or newer (section 1). The server's must be, byte for byte, the one that an operator
// recorded, and in its time: no authority and no name counts. The agent's own are read again for each connection, so that
// they can be replaced. They stay in this package: an instance gets its session's way into the log and nothing else.
//
// # How an end is noticed
//
// AMS pushes events over a websocket, and has lost some in one release (section 5). So an event only says *look*: what is
// believed is what a GET of the operation or the instance answers then. Whoever waits also looks by itself, rarely while
// the socket stands, often while it does not, and at once when it stands again, since nothing is replayed. An operation
// that AMS has forgotten (section 4) is judged by its instance.
//
// # Nothing is left
//
// Instances carry two tags: session=ID, and streamstack-agent=ID. When the answer to a launch is lost, the tags find what it
// made. A janitor removes what carries the agent's tag and belongs to no session, once a minute and whenever the socket
// stands again. What an agent that never comes back has left is ended by another one of the same AMS, once the log says that its sessions are over
// (Foreign). An agent's id must not be used by two running agents, as for claims. Failed and stopped instances are deleted: they would keep
// their disk.
//
// # What an instance is told
//
// User data is one JSON document (section 11): what the agent composed for the application, and "streamer", where the image's
// start hook finds what `streamstack streamer` needs: its environment and its standard input. All of it can be read by the
// instance's hooks, so an application can act as its own session's streamer, but not as anybody else.
package ams
