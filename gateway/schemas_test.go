package gateway

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/schema"
)

// get asks a gateway that has nothing but its routes, without a token.
func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	g := New(Config{Logger: slog.New(slog.DiscardHandler), Origins: []string{"*"}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Origin", "https://studio.example.net")
	w := httptest.NewRecorder()
	g.echo.ServeHTTP(w, r)
	return w
}

// Every schema is served to everybody, at the address that the list and each event's dataschema name.
func TestSchemasAreServed(t *testing.T) {
	w := get(t, "/1.0/schemas/")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var list struct{ Metadata []schemaEntry }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	require.Len(t, list.Metadata, len(schema.Names()))
	for _, s := range list.Metadata {
		w := get(t, s.URL)
		require.Equal(t, http.StatusOK, w.Code, s.URL)
		require.Equal(t, "application/schema+json", w.Header().Get("Content-Type"))
		require.Equal(t, "https://studio.example.net", w.Header().Get("Access-Control-Allow-Origin"))
		want, _ := schema.Get(s.Name)
		require.Equal(t, string(want), w.Body.String())
	}
	for _, k := range events.Types() {
		u, err := url.Parse(events.SchemaURI(k.CEType))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, get(t, u.Path).Code, u)
	}
}

// The references of the AsyncAPI document lead to what is served beside it.
func TestAsyncAPIIsServed(t *testing.T) {
	w := get(t, "/1.0/asyncapi.json")
	require.Equal(t, http.StatusOK, w.Code)
	require.True(t, strings.HasPrefix(w.Header().Get("Content-Type"), "application/vnd.aai.asyncapi+json"))
	require.Equal(t, string(schema.AsyncAPI()), w.Body.String())
	here := &url.URL{Path: "/1.0/asyncapi.json"}
	found := 0
	for part := range strings.SplitSeq(w.Body.String(), `"$ref": "`) {
		ref, _, _ := strings.Cut(part, `"`)
		if !strings.HasPrefix(ref, "./") {
			continue
		}
		found++
		to, err := here.Parse(ref)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, get(t, to.Path).Code, to)
	}
	require.GreaterOrEqual(t, found, len(events.Types()))
}

func TestUnknownSchemaIsNotFound(t *testing.T) {
	for _, path := range []string{"/1.0/schemas/nothing.json", "/1.0/schemas/event", "/1.0/schemas/..%2fasyncapi.json", "/1.0/schemas/.json", "/1.0/schemas/event.json/more"} {
		w := get(t, path)
		require.Equal(t, http.StatusNotFound, w.Code, path)
		require.Contains(t, w.Body.String(), `"status":"failed"`, path)
	}
}
