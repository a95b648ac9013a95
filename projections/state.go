package projections

import (
	"streamstack/events"
	"streamstack/projections/snapshot"
)

// Versions of the states in snapshots. Raise one when its fold gives another state for the same events, or its encoding
// changes: snapshots written before are then not used. A changed field of a type shows by itself. A test keeps what
// these are worth (testdata/schema).
const (
	sessionsVersion = 3
	agentsVersion   = 2
	accountsVersion = 3
)

// State is a read model that can be written down and read back.
type State interface {
	Folder
	// At is the sequence folded last.
	At() events.Seq
	// Schema tells which states Restore understands.
	Schema() snapshot.Schema
	// Dump writes the state.
	Dump() []byte
	// Restore replaces the state by one that Dump wrote. It leaves it alone when it fails, with [snapshot.ErrCorrupt].
	Restore(state []byte) error
}
