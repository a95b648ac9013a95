// Package archive keeps lifecycle events beyond their retention: as Parquet, in a bucket of JetStream's object store.
//
// # Where
//
// The object store, and not a folder, since it is the one place that `up` and a cluster both have: it is replicated as
// the streams are, every gateway and every operator's command reaches it through the connection it has, and
// `nats object get` reads it too. Whoever wants files names a folder with --archive; any gateway copies each segment
// there once ([Archiver]). Files alone would be on one gateway's disk, which the others cannot read.
//
// # What
//
// A segment holds the lifecycle events of one range of sequences, of at most one period (a day, or a quarter of the
// retention if that is less), in the columns of the package columns. Short-lived events (SDP, candidates, extra data)
// are left out: they are personal, and expire for that reason.
//
// # Without gap or duplicate
//
// Which segments there are is written in a key-value bucket: the key is the segment's first sequence, which is the one
// after the last of the segment before. A segment is first stored as an object of a name nobody else uses, then entered
// under its key by a create, which one gateway wins. So gateways need not know of each other, and a kill at any point
// leaves either a segment or an object that nobody refers to, which is taken away after an hour. Ranges are of
// sequences, and whatever comes later has a higher one, so neither clocks that disagree nor a replica that lags matter.
//
// # Reading
//
// [Archive.Read] hands on what the archive and the stream have together, each event once, in order.
package archive
