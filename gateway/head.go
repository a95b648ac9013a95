package gateway

import (
	"context"
	"net/http"
)

// headKey marks the context of a request whose answer has no body.
type headKey struct{}

// headAsGet answers HEAD as GET, but for the body (RFC 9110, section 9.3.2), which the server leaves out: it looks at the
// request that came, not at the copy that the handlers get. Nothing is upgraded on the way: a websocket's handshake is a GET
// (RFC 6455, section 4.1).
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.Clone(context.WithValue(r.Context(), headKey{}, true))
			r.Method = http.MethodGet
			r.Header.Del("Upgrade")
		}
		next.ServeHTTP(w, r)
	})
}

// isHead tells whether the answer's body goes nowhere.
func isHead(r *http.Request) bool { return r.Context().Value(headKey{}) != nil }
