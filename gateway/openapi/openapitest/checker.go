// Package openapitest holds the requests and answers of tests against the OpenAPI document, and fails the test where the
// two do not agree.
//
// It stands on the server's side, between the listener and the gateway, and so misses nothing, whoever the client is: a
// test's own, the program's, a browser. What it asks for:
//
//   - an answer is one that its operation describes: the status, the headers, the media type, the body, with no field more
//     than are described; its status_code is the status;
//   - a request that was answered with success is one that the document allows, and carries a credential where the
//     document says so. A request that was refused may be anything;
//   - what the document does not have is 404 or 405 in the envelope of an error.
package openapitest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"streamstack/events/schema/schematest"
)

// mostReported is how many mismatches a test prints: one mistake shows in many exchanges.
const mostReported = 10

// Checker gathers what does not agree and reports it when the test ends. It is safe for concurrent use.
type Checker struct {
	contract *contract
	events   *schematest.Validator

	mu       sync.Mutex
	problems []string
	count    int
}

// New makes a checker for a test. Make it before what it wraps: so it reports after the last exchange.
func New(t testing.TB) *Checker {
	t.Helper()
	contract, err := load()
	if err != nil {
		t.Fatal(err)
	}
	c := &Checker{contract: contract, events: sharedEvents(t)}
	t.Cleanup(func() {
		if problems, _ := c.Found(); len(problems) > 0 {
			t.Errorf("%d exchanges do not agree with gateway/openapi:\n%s", len(problems), strings.Join(problems[:min(len(problems), mostReported)], "\n"))
		}
	})
	return c
}

// Found is what did not agree so far, and how many exchanges were looked at.
func (c *Checker) Found() (problems []string, exchanges int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.problems...), c.count
}

// Wrap checks the exchanges of the public API.
func (c *Checker) Wrap(h http.Handler) http.Handler { return c.Before(h, false) }

// Before checks the exchanges of the public API, or of the admin socket's.
func (c *Checker) Before(h http.Handler, admin bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{admin: admin, method: r.Method, url: *r.URL, header: r.Header.Clone()}
		body := &keeper{ReadCloser: r.Body}
		// A copy: the server looks at the body of its own, to wait for the end of one that nobody has read before it closes the
		// connection, which would else be reset while the client still writes.
		r = r.WithContext(r.Context())
		r.Body = body
		rec := &recorder{ResponseWriter: w}
		rec.hijacked = func() { //nolint:contextcheck // it is the request's
			x.hijacked = true
			x.status = rec.status
			c.look(context.WithoutCancel(r.Context()), x)
		}
		defer func() {
			problem := recover()
			if problem == nil || rec.streams() { // what panics answers nothing, but a proxy's end of a stream is one
				c.ended(r, x, rec, body)
			}
			if problem != nil {
				panic(problem) //nolint:forbidigo // it is passed on
			}
		}()
		h.ServeHTTP(rec, r)
	})
}

// ended looks at an exchange whose handler has returned.
func (c *Checker) ended(r *http.Request, x *exchange, rec *recorder, body *keeper) {
	if x.hijacked || rec.status == 0 && r.Context().Err() != nil {
		return // looked at already; or the client has gone, and nobody was answered
	}
	x.status, x.answer, x.body, x.stream = rec.status, rec.Header(), rec.body.Bytes(), rec.streams()
	x.sent = body.read.Bytes()
	c.look(context.WithoutCancel(r.Context()), x)
}

// look checks an exchange.
func (c *Checker) look(ctx context.Context, x *exchange) {
	err := x.check(ctx, c.contract, c.events)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if err != nil {
		c.problems = append(c.problems, fmt.Sprintf("%s %s answered %d %s: %v", x.method, x.url.Path, x.status, bytes.TrimSpace(x.body[:min(len(x.body), 300)]), err))
	}
}
