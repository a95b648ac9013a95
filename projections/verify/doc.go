// Package verify checks a log against the rules that every session's history must keep, from the log alone: whoever has a
// history, of a test or of last year, can have it checked.
//
// The components keep the rules when they decide (projections.Decide expects the sequence that the decision was made on), and a
// fold is lenient: what must not be it ignores, so that a read model never stops. Hence nobody would notice a component that
// breaks a rule. This package is who notices. It folds each session as everybody does, and before an event is folded asks
// whether it may follow the state so far (rules.go).
//
// What is *not* a breach: what is late through no fault of anybody. A streamer that was cut off may say something of an attempt
// that has been given up; only the decisions of gateways and agents, which expect a sequence, have to be in order. Nor is it one
// that events have expired: no rule is about those that do so before their session's history.
package verify
