// Package lifetime is what the drivers' instances have in common, whatever runs them: that each of them begins, is asked to end, and
// ends once ([Life]); that a driver knows those that live by name, and ends them all ([Roster]); and that one may wait for a session
// which claims it, or ends before ([Wait]). How an instance is started and ended is the driver's own.
package lifetime
