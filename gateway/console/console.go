package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// contentSecurityPolicy lets the page load what the gateway serves and nothing else: no inline script or style, no other
// origin, no frame around it. Websockets are allowed to any host because the gateway may announce a public address that
// differs from the page's (W3C CSP 3; `'self'` covers ws: for the same host only).
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers go with every answer, errors included.
var headers = map[string]string{
	"Content-Security-Policy": contentSecurityPolicy,
	"X-Content-Type-Options":  "nosniff",
	// The token reaches the page in its address: no other site may learn that address.
	"Referrer-Policy":            "no-referrer",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Permissions-Policy":         "camera=(), microphone=(), geolocation=()",
	// Kept by the browser but asked for again each time: a new binary must not meet an old module.
	"Cache-Control": "no-cache",
}

// contentTypes are fixed here since mime.TypeByExtension reads the machine's tables, and a module with the wrong type is
// refused by the browser.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// asset is one file ready to be sent.
type asset struct {
	content     []byte
	contentType string
	etag        string
}

// Handler serves the page at "/" and its assets below "/console/"; every other path is 404, every method but GET and HEAD
// 405. Answers carry an ETag (a hash of the content, RFC 9110 section 8.8.3) and are revalidated by If-None-Match. The
// handler keeps no state and is safe for concurrent use. An error means that the binary was built with a file that cannot be
// served.
func Handler() (http.Handler, error) {
	files, err := load(assets)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, files) }), nil
}

func serve(w http.ResponseWriter, r *http.Request, files map[string]asset) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return
	}
	file, found := files[r.URL.Path]
	if !found {
		http.Error(w, "no such page", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", file.contentType)
	w.Header().Set("ETag", file.etag)
	// ServeContent answers If-None-Match, ranges and HEAD; the zero time leaves out Last-Modified.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
}

// load maps each URL path to its file. Looking paths up in a map rather than in a file system is what makes traversal and
// directory listings impossible.
func load(fsys fs.FS) (map[string]asset, error) {
	files := make(map[string]asset)
	err := fs.WalkDir(fsys, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contentType, known := contentTypes[path.Ext(name)]
		if !known {
			return fmt.Errorf("%s: no content type for this kind of file", name)
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		files[urlPath(name)] = asset{content, contentType, `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded assets: %w", err)
	}
	return files, nil
}

// urlPath is where the asset of that name is served.
func urlPath(name string) string {
	name = strings.TrimPrefix(name, "assets/")
	if name == "index.html" {
		return "/"
	}
	return "/console/" + name
}
