package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/token"
)

// openRoutes are the routes that take no account's token, and why.
var openRoutes = map[string]string{
	"GET /1.0/status":                      "anybody may ask whether the gateway is there",
	"GET /1.0/schemas":                     "what events mean is public",
	"GET /1.0/schemas/:file":               "what events mean is public",
	"GET /1.0/asyncapi.json":               "what events mean is public",
	"GET /1.0/sessions/:id/sockets/slave":  "its own credential",
	"GET /1.0/session/:id/sockets/slave":   "its own credential",
	"GET /1.0/sessions/:id/sockets/viewer": "its own credential",
	"GET /1.0/session/:id/sockets/viewer":  "its own credential",
	"GET /1.0/sessions/:id/sockets/adb":    "its own credential",
	"GET /1.0/session/:id/sockets/adb":     "its own credential",
	"GET /1.0/sessions/:id/sockets/master": "there is none, whoever asks",
	"GET /1.0/session/:id/sockets/master":  "there is none, whoever asks",
	"GET /1.0/sessions/:id/connect":        "its own credential",
	"GET /1.0/session/:id/connect":         "its own credential",
	"GET /1.0/openapi.json":                "what the API is, is public",
	"GET /1.0/docs":                        "what the API is, is public",
	"GET /1.0/docs/:file":                  "what the API is, is public",
}

// Every route of the router is asked with every set of scopes: those of the table pass, all others are told what is
// missing, and no route is in neither list.
func TestEveryRouteNeedsItsScopes(t *testing.T) {
	t.Parallel()
	r := house(t)
	tokens := map[token.Scopes]string{}
	for s := token.Scopes(1); s <= token.AllScopes; s++ {
		text, err := r.CreateAccount(t.Context(), "may-"+strings.ReplaceAll(s.String(), ",", "-"), time.Now().Add(time.Hour), s)
		require.NoError(t, err)
		tokens[s] = text
	}
	guarded := 0
	for _, route := range r.echo.Routes() {
		name := route.Method + " " + route.Path
		if !strings.HasPrefix(route.Path, "/1.0/") || openRoutes[name] != "" {
			continue
		}
		guarded++
		need, ok := needs[name]
		require.True(t, ok, "%s: no scope in the table, and no reason to need none", name)
		require.NotZero(t, need, name)
		path := strings.ReplaceAll(route.Path, ":id", "11111111-1111-4111-8111-111111111111")
		for have, text := range tokens {
			a := r.do(route.Method, path, `{"`, "Authorization", "macaroon root="+text)
			if have.Has(need) {
				require.NotContains(t, []int{http.StatusForbidden, http.StatusUnauthorized}, a.StatusCode, "%s with %s", name, have)
				continue
			}
			require.Equal(t, http.StatusForbidden, a.StatusCode, "%s with %s", name, have)
			require.Equal(t, "forbidden", a.Code)
			require.Contains(t, a.Error, "scope "+(need&^have).String()+";", "%s with %s", name, have)
			require.Contains(t, a.Error, "yours holds "+have.String())
		}
		require.Equal(t, http.StatusUnauthorized, r.do(route.Method, path, "", "Authorization", "").StatusCode, name)
	}
	require.Greater(t, guarded, 10)
}

// A holder hands on less than he has; the account's end ends that too.
func TestNarrowedTokens(t *testing.T) {
	t.Parallel()
	r := house(t)
	full, err := r.CreateAccount(t.Context(), "shop", time.Now().Add(time.Hour))
	require.NoError(t, err)
	ask := func(text, method, path string) answer {
		return r.do(method, path, `{"app":"testcard"}`, "Authorization", "macaroon root="+text)
	}
	require.Equal(t, http.StatusCreated, ask(full, http.MethodPost, "/1.0/sessions").StatusCode)
	reads, err := token.Narrow(full, token.Read, time.Time{})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ask(reads, http.MethodGet, "/1.0/sessions").StatusCode)
	require.Equal(t, http.StatusForbidden, ask(reads, http.MethodPost, "/1.0/sessions").StatusCode)
	wide, err := token.Narrow(reads, token.AllScopes, time.Time{})
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, ask(wide, http.MethodPost, "/1.0/sessions").StatusCode)
	none, err := token.Narrow(reads, token.Create, time.Time{})
	require.NoError(t, err)
	a := ask(none, http.MethodGet, "/1.0/sessions")
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.Error, "exclude each other")
	gone, err := token.Narrow(reads, 0, time.Now().Add(-time.Second))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, ask(gone, http.MethodGet, "/1.0/sessions").StatusCode)
	_, err = r.CreateAccount(t.Context(), "shop", time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, ask(reads, http.MethodGet, "/1.0/sessions").StatusCode, "the account has a newer token")
}
