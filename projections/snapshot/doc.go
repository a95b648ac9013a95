// Package snapshot keeps states of read models in NATS, so that a start reads what came after the last one instead of the
// whole log, and a look at the past begins near it.
//
// # Where, and why there
//
// In the key-value bucket [Bucket]. A snapshot of the sessions may have many megabytes, so it is cut into chunks, each a key
// of its own under the snapshot's random generation; a manifest, one key for each model, lists the snapshots that are whole.
// JetStream's object store cuts by itself, but it replaces an object without asking what is there, and several gateways
// write without a leader. The manifest is written with the revision that it was read at (compare and set), after the
// chunks: a snapshot is seen whole or not at all, an older state never takes a newer one's place, and whoever loses has
// wasted some writing. Chunks that no manifest names are swept by the next writer.
//
// # What is never misread
//
// A snapshot carries a checksum, the schema of its state (a hash of the Go type's fields and of the fold's version), and the
// id of the last lasting event that was folded. Damaged ones, those of another schema, those that lie beyond the stream's
// end or have seen another event where the stream has a different one (a restored backup) are not used. The log is the
// truth: without a snapshot a start only takes longer.
//
// # What is kept
//
// At most [Keep] of a model, the newest always, the others spread over the log as evenly as they come, for time travel.
package snapshot
