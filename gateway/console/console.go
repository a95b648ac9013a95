package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"streamstack/gateway/site"
)

//go:embed assets
var assets embed.FS

// contentSecurityPolicy lets the page load what the gateway serves and nothing else: no inline script or style, no other
// origin, no frame around it. Websockets are allowed to any host because the gateway may announce a public address that
// differs from the page's (W3C CSP 3; `'self'` covers ws: for the same host only).
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page at "/" and its assets below "/console/", as package site does. An error means that the binary was
// built with a file that cannot be served.
func Handler() (http.Handler, error) { return load(assets) }

// load reads the page's folder.
func load(fsys fs.FS) (*site.Site, error) {
	folder, err := fs.Sub(fsys, "assets")
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	s, err := site.New(folder, contentSecurityPolicy, urlPath)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return s, nil
}

// urlPath is where the asset of that name is served.
func urlPath(name string) string {
	if name == "index.html" {
		return "/"
	}
	return "/console/" + name
}
