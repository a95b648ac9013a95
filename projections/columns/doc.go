// Package columns is an event as a row: the one schema of Parquet exports, CSV exports and the archive.
//
// One row is one event. What is common to many events has a typed column of its own (see [Row]); the whole payload is
// kept beside it, in the column data, as the JSON that was appended. Leaving out of it what has a column would save a
// few bytes, and cost that the payload could not be given back as it was. So fields and event types that this version
// does not know survive, and a row is enough to restore its event.
//
// Columns are found by name. One that is added later is null in older files; none may change its meaning or its type.
package columns
