package openapitest

import (
	"sync"
	"testing"

	"streamstack/events/schema/schematest"
)

var (
	eventsOnce sync.Once
	events     *schematest.Validator
)

// sharedEvents compiles the schemas of the events once for a run of the tests.
func sharedEvents(t testing.TB) *schematest.Validator {
	t.Helper()
	eventsOnce.Do(func() { events = schematest.New(t) })
	return events
}
