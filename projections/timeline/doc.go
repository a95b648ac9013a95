// Package timeline tells a session's history to people: its events in order, with the time between the steps, and at the
// end what became of the session and why.
//
// [Build] is pure, as every projection: the same events give the same timeline, whenever it is asked for. It takes any
// events, quarantined ones and types it does not know included, and shows rather than hides them. What it says of offers,
// answers and candidates holds for what is left in the log: those events expire before the others do.
//
// Payloads come from browsers and applications, so nothing of them reaches a terminal before control characters are
// taken out (see clean).
package timeline
