// Package events is the vocabulary of the log, and the only way in and out of it.
//
// It holds the subjects, the event types with their payloads, the CloudEvents envelope, the configuration of the
// streams, and the means to append and to read. It knows no component's behaviour and imports nothing of this project.
//
// # What an event is
//
// A session's event is a NATS message on sessions.<region>.<session>.<actor>.<name>. Who appended it and what it is are
// read from the subject alone, for NATS permissions guard subjects and not headers. The envelope is CloudEvents 1.0 in
// binary mode over NATS headers, the data is JSON. An event whose headers disagree with its subject is quarantined:
// carried and shown, never folded.
//
// # Versions
//
// A type ends in its version. Old versions are brought to the newest one wherever events are read (upcast.go); newer
// ones than this program knows are carried and shown, but not [Event.Sound]. What types there are, in which versions and
// with which Go types, says [Types]; package schema makes JSON Schemas and an AsyncAPI document of that.
//
// # How the log is read
//
// There are three readers, one for each need:
//
//   - [Log.Tail], one per process: the whole log from a sequence on, first by batched Direct Get and then on the
//     republished subjects (live.sessions.>). It is contiguous: a gap in the sequences is filled before what follows
//     is handed on.
//   - [Log.History]: the events of one session up to now, by batched Direct Get. Together with a Tail it makes a
//     session's view without a JetStream consumer per websocket, whose creation costs tens of milliseconds on R3.
//   - [Log.Follow]: a filtered part of the log through an ordered consumer, for those who are few and may be slow
//     (agents, tools).
//
// A streamer reads its session's events through a durable pull consumer that the agent made for it ([SessionConsumer]).
// design.md has it splice that with a live subscription; the durable alone gives the same order with one mechanism
// less, survives a restart of the streamer, and its extra 0.05 ms is not on the media's path.
//
// The headers that the server sets come after those a publisher set, so a server's header is always the last value of
// its name (the reading rule of design.md). The library jetstreamext reads the first value; that is why the batched
// Direct Get here is our own. And a publisher who writes to the socket himself can make a header block in which the
// client library does not see what the server added: only a block that was understood to the last byte is believed, any
// other is read from the stream's leader, and quarantined (headers.go).
package events
