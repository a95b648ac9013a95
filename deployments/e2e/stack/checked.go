package stack

import (
	"testing"

	"streamstack/gateway/openapi/openapitest"
)

// checked is where a test reaches a gateway with every request and answer held against the OpenAPI document: those of its
// client, of the console in its browser, of the sockets. Benchmarks go to the gateway itself: they would measure the check.
// So does what reads the gateway's address from the data folder.
func checked(t testing.TB, gateway string) string {
	t.Helper()
	if _, measures := t.(*testing.B); measures {
		return gateway
	}
	return openapitest.Proxy(t, gateway)
}
