package gateway

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"streamstack/gateway/limit"
)

// preflight asks what a page of an origin may do with a path.
func (r *replica) preflight(path, origin string) (int, http.Header) {
	t := r.stack.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.url+path, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	res, err := noFollow.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, res.Header
}

// Preflights are answered on every path, without a token and whatever limits say; an answer is never cached for the wrong
// origin; and what a browser needs of it is there: a * would not cover Authorization.
func TestPreflights(t *testing.T) {
	t.Parallel()
	const page = "https://app.example.net"
	r := house(t, func(g *Gateway) {
		g.cfg.Origins = []string{page, "http://localhost:5173"}
		g.limit(func(f *limit.Figures) { f.RequestsPerSecond, f.RequestBurst = 0.001, 1 })
	})
	for _, route := range r.echo.Routes() {
		status, h := r.preflight(route.Path, page)
		require.Equal(t, http.StatusNoContent, status, route.Path)
		require.Equal(t, page, h.Get("Access-Control-Allow-Origin"), route.Path)
		require.Equal(t, "GET, POST, PATCH, DELETE, OPTIONS", h.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "Authorization, Content-Type", h.Get("Access-Control-Allow-Headers"))
		require.Equal(t, "600", h.Get("Access-Control-Max-Age"))
		require.Empty(t, h.Get("Access-Control-Allow-Credentials"), "no cookies")
		require.Equal(t, []string{"Origin"}, h.Values("Vary"))
	}
	for _, other := range []string{"https://evil.example.net", "http://app.example.net", page + ".evil.example.net", "null", "https://app.example.net:8443"} {
		_, h := r.preflight("/1.0/sessions/", other)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), other)
		require.Equal(t, []string{"Origin"}, h.Values("Vary"), other)
	}
	// Errors of each kind, and an answer to nobody's page.
	for _, c := range []struct {
		path, auth string
		status     int
	}{
		{"/1.0/sessions", "macaroon root=x", http.StatusUnauthorized},
		{"/1.0/nothing", "", http.StatusNotFound},
		{"/1.0/sessions/none", "Macaroon root=" + r.token, http.StatusNotFound},
		{"/1.0/sessions", "Macaroon root=" + r.token, http.StatusTooManyRequests},
	} {
		a := r.do(http.MethodGet, c.path, "", "Origin", page, "Authorization", c.auth)
		require.Equal(t, c.status, a.StatusCode, c.path)
		require.Equal(t, page, a.Header.Get("Access-Control-Allow-Origin"), c.path)
		a = r.do(http.MethodGet, c.path, "", "Authorization", c.auth)
		require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, a.Header.Values("Vary"), "Origin")
	}
}

// Sockets take the same origins as the API, the gateway's own, and programs that have none.
func TestSocketOrigins(t *testing.T) {
	t.Parallel()
	const page = "https://app.example.net"
	r := house(t, func(g *Gateway) { g.cfg.Origins = []string{page}; g.settings = g.newSettings() })
	open := func(origin string) int {
		url := r.create().URL
		o := &websocket.DialOptions{HTTPHeader: http.Header{}}
		if origin != "" {
			o.HTTPHeader.Set("Origin", origin)
		}
		conn, res, err := websocket.Dial(t.Context(), url, o)
		require.NotNil(t, res, "%v", err)
		if err == nil {
			_ = conn.CloseNow() // it was let in
		} else {
			_ = res.Body.Close() // it was read
		}
		return res.StatusCode
	}
	for _, good := range []string{"", page, r.url} {
		require.Equal(t, http.StatusSwitchingProtocols, open(good), good)
	}
	for _, bad := range []string{"https://evil.example.net", "null", "http://app.example.net"} {
		require.Equal(t, http.StatusForbidden, open(bad), bad)
	}
}
