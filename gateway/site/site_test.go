package site_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/site"
)

func TestSite(t *testing.T) {
	s, err := site.New(fstest.MapFS{"a.js": {Data: []byte("export {};")}}, "default-src 'none'", func(name string) string { return "/x/" + name })
	require.NoError(t, err)
	s.Add("/more", "text/css", []byte("body {}"))
	ask := func(method, path, etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", http.NoBody)
		r.URL.Path = path
		r.Header.Set("If-None-Match", etag)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Equal(t, "default-src 'none'", w.Header().Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		return w
	}
	w := ask(http.MethodGet, "/x/a.js", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/javascript; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "export {};", w.Body.String())
	require.Equal(t, http.StatusNotModified, ask(http.MethodGet, "/x/a.js", w.Header().Get("ETag")).Code)
	require.Equal(t, http.StatusOK, ask(http.MethodHead, "/more", w.Header().Get("ETag")).Code)
	require.Equal(t, http.StatusMethodNotAllowed, ask(http.MethodPost, "/more", "").Code)
	for _, path := range []string{"", "/", "/x/", "/x/../x/a.js", "/a.js"} {
		require.Equal(t, http.StatusNotFound, ask(http.MethodGet, path, "").Code, path)
	}
	_, err = site.New(fstest.MapFS{"notes.txt": {Data: []byte("…")}}, "", func(name string) string { return name })
	require.ErrorContains(t, err, "notes.txt")
}
