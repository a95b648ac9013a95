// Package projections turns the log into read models.
//
// A fold is a pure function of a state and an event: deterministic, idempotent by sequence, without clock or I/O. It
// never depends on an event that expires (SDP, candidates, extra_data), so a state rebuilt later is the same. Folds
// ignore quarantined events and names they do not know.
//
// A state can be written down and read back ([State]); a [Keeper] does so in NATS (projections/snapshot), so that a start
// reads the newest state and what came after it. State and tail together are what the whole log gives.
//
// [Sessions], [Agents] and [Accounts] are the read models; [Decide] is how a component turns what it read into the next
// event without two of them both winning. Nothing here calls another component.
package projections
