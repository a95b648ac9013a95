// Package amstest is an Anbox Management Service for tests: as much of it as an agent needs, written from spec/ams-api.md,
// whose section numbers it gives, and held against the examples of that text, which are in testdata. It shares no code with
// the driver, so that both can only agree by the text.
//
// Where the text leaves something open the server takes the form that is harder on a client: lists without recursion are
// plain URLs, a lifecycle event's source is a URL, tags in a filter count if any of them matches, finished operations are
// forgotten on request, and a deletion takes until the instance's machine has stopped.
//
// What an instance is, a [Machine] decides: a test can boot a real streamer with what it finds in the user data.
package amstest
