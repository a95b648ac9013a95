// Package export writes events to a file or to standard output, for analysts: the command `export`.
//
// One event is one record. NDJSON has the events as every command prints them with --json; CSV and Parquet have the
// columns of the package columns. Events come from the log and its archive together ([archive.Archive.Read]), and pass
// through one at a time, so memory is bounded whatever the history's length.
package export
