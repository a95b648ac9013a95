package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// HEAD is answered as GET is, on every route that has one, without the body (RFC 9110, section 9.3.2).
func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	r := house(t)
	id := string(r.create().ID)
	asked := 0
	for _, route := range r.routes().Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		asked++
		path := strings.NewReplacer("/:id", "/"+id, "/:file", "/docs.css", "*", "x").Replace(route.Path)
		answer := func(method string, headers ...string) (status int, kind, text string) {
			req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Macaroon root="+r.token)
			for i := 0; i < len(headers); i += 2 {
				req.Header.Set(headers[i], headers[i+1])
			}
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode, res.Header.Get("Content-Type"), string(body)
		}
		status, kind, _ := answer(http.MethodGet)
		for _, upgrade := range [][]string{nil, {"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}} {
			headStatus, headKind, body := answer(http.MethodHead, upgrade...)
			require.Equal(t, status, headStatus, path)
			require.Equal(t, kind, headKind, path)
			require.Empty(t, body, path)
		}
	}
	require.Greater(t, asked, 20)
}

// A stream of events has no end, and so no body to leave out: HEAD tells what GET would begin with.
func TestHeadOfAStreamOfEventsEnds(t *testing.T) {
	t.Parallel()
	r := house(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, r.url+"/1.0/events", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Macaroon root="+r.token)
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
}
