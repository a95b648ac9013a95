// Package site serves pages that are embedded in the binary: the console's and the API's reference. Both work offline and
// load nothing but what their gateway serves.
package site

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// headers go with every answer, errors included.
var headers = map[string]string{
	"X-Content-Type-Options": "nosniff",
	// A token may reach a page in its address: no other site may learn that address.
	"Referrer-Policy":            "no-referrer",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Permissions-Policy":         "camera=(self), microphone=(self), geolocation=(self)",
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

// File is one file ready to be sent.
type File struct {
	Content []byte
	Type    string
	etag    string
}

// Site is a set of files by their URL paths, a handler that is safe for concurrent use. Every other path is 404, every
// method but GET and HEAD 405. Answers carry an ETag (a hash of the content, RFC 9110, section 8.8.3) and are revalidated
// by If-None-Match.
type Site struct {
	// Files are by their URL paths. Looking paths up in a map rather than in a file system is what makes traversal and
	// directory listings impossible.
	Files  map[string]File
	policy string
}

// New reads all files of a folder; urlPath says where each is served. policy is the Content-Security-Policy (W3C CSP 3)
// of every answer. An error means that the binary was built with a file that cannot be served.
func New(fsys fs.FS, policy string, urlPath func(name string) string) (*Site, error) {
	s := &Site{Files: make(map[string]File), policy: policy}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kind, known := contentTypes[path.Ext(name)]
		if !known {
			return fmt.Errorf("%s: no content type for this kind of file", name)
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err //nolint:wrapcheck // it names the file
		}
		s.Add(urlPath(name), kind, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("site: read the embedded files: %w", err)
	}
	return s, nil
}

// Add adds a file, before the site is served.
func (s *Site) Add(urlPath, contentType string, content []byte) {
	sum := sha256.Sum256(content)
	s.Files[urlPath] = File{content, contentType, `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// ServeHTTP answers with a file.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", s.policy)
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return
	}
	file, found := s.Files[r.URL.Path]
	if !found {
		http.Error(w, "no such page", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", file.Type)
	w.Header().Set("ETag", file.etag)
	// ServeContent answers If-None-Match, ranges and HEAD; the zero time leaves out Last-Modified.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.Content))
}
