package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/openapi"
)

// handler is the console's handler.
func handler(t *testing.T) http.Handler {
	t.Helper()
	h, err := Handler()
	require.NoError(t, err)
	return h
}

// request asks the handler directly, with the path as it is: a client would clean it first.
func request(t *testing.T, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	r.URL.Path = path
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	handler(t).ServeHTTP(w, r)
	return w
}

func TestEveryAssetIsServedWithItsType(t *testing.T) {
	t.Parallel()
	for path, contentType := range map[string]string{
		"/":                   "text/html; charset=utf-8",
		"/console/console.js": "text/javascript; charset=utf-8",
		"/console/base.css":   "text/css; charset=utf-8",
		"/console/icon.svg":   "image/svg+xml",
	} {
		response := request(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, response.Code, path)
		require.Equal(t, contentType, response.Header().Get("Content-Type"), path)
		require.NotEmpty(t, response.Header().Get("ETag"), path)
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/console/api.js", "/console/nothing"} {
		header := request(t, http.MethodGet, path, nil).Header()
		policy := header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.Contains(t, policy, "script-src 'self';", path)
		require.NotContains(t, policy, "unsafe", path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), path)
		require.Equal(t, "no-cache", header.Get("Cache-Control"), path)
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/console", "/console/", "/console/../console.go", "/console/../../go.mod", "/../console.go", "/console//api.js",
		"/console/index.html", "/index.html", "/assets/", "/assets/api.js", "/console/%2e%2e/doc.go", "/console/..\\doc.go", "",
	} {
		require.Equal(t, http.StatusNotFound, request(t, http.MethodGet, path, nil).Code, path)
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		response := request(t, method, "/", nil)
		require.Equal(t, http.StatusMethodNotAllowed, response.Code, method)
		require.Equal(t, "GET, HEAD", response.Header().Get("Allow"), method)
	}
	require.Equal(t, http.StatusOK, request(t, http.MethodHead, "/", nil).Code)
}

func TestAnUnchangedAssetIsNotSentAgain(t *testing.T) {
	t.Parallel()
	etag := request(t, http.MethodGet, "/console/api.js", nil).Header().Get("ETag")
	again := request(t, http.MethodGet, "/console/api.js", http.Header{"If-None-Match": {etag}})
	require.Equal(t, http.StatusNotModified, again.Code)
	require.NotEqual(t, etag, request(t, http.MethodGet, "/console/input.js", nil).Header().Get("ETag"))
}

// The policy forbids what is inline, so the browser would drop it without a word.
func TestThePageHasNothingInline(t *testing.T) {
	t.Parallel()
	content, err := fs.ReadFile(assets, "assets/index.html")
	require.NoError(t, err)
	require.NotRegexp(t, `\sstyle=|<style|\son[a-z]+=|javascript:`, string(content))
	for _, tag := range regexp.MustCompile(`<script[^>]*>`).FindAllString(string(content), -1) {
		require.Contains(t, tag, "src=")
	}
}

// Whatever the page and its modules name must be there, and must be ours: the console works without any other network.
func TestEveryReferenceIsServed(t *testing.T) {
	t.Parallel()
	page, err := load(assets)
	require.NoError(t, err)
	reference := regexp.MustCompile(`(?:src|href)="([^"]+)"|from '\./([^']+)'`)
	foreign := regexp.MustCompile(`https?://[^\s"']+`)
	for path, file := range page.Files {
		for _, match := range reference.FindAllStringSubmatch(string(file.Content), -1) {
			target := "/" + match[1]
			if match[2] != "" {
				target = "/console/" + match[2]
			}
			if target == openapi.ReferencePath { // the gateway serves it beside the console
				continue
			}
			require.Contains(t, page.Files, target, "named in %s", path)
		}
		for _, address := range foreign.FindAllString(string(file.Content), -1) {
			require.True(t, strings.HasPrefix(address, "http://www.w3.org/"), "%s names %s", path, address)
		}
	}
}

func TestAnUnknownKindOfFileIsRefused(t *testing.T) {
	t.Parallel()
	_, err := load(fstest.MapFS{"assets/notes.txt": {Data: []byte("…")}})
	require.ErrorContains(t, err, "notes.txt")
}
