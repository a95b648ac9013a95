// Package openapi holds the description of the gateway's REST API: one OpenAPI 3.1 document, and a page that shows it to
// people. Both are embedded, and served without a token.
//
// The document is written by hand, in the parts of the folder source, and not generated from the Go types. The contract
// came first and the code follows it: what matters in it (which codes a call may answer, which values a parameter takes,
// what a field means and when it is absent) is nowhere in the types of the handlers, and annotations would only be the same
// text in a worse place. Two things keep it true, and they are stronger than a generator, which can be no truer than its
// annotations: tests compare it with the router and with every type of an answer, both ways; and package openapitest holds
// every request and answer of the gateway's tests against it. What is generated is the schema of an event, which has a
// source of its own in package events/schema.
//
// After a change of a part:
//
//	go generate ./gateway/openapi
package openapi

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"streamstack/gateway/site"
)

//go:generate go run ./generate -source source -out files/openapi.json

const (
	// Path is where the document is served, ReferencePath its page.
	Path          = "/1.0/openapi.json"
	ReferencePath = "/1.0/docs"
)

// policy lets the page load itself and the document, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed files/openapi.json
var document []byte

//go:embed assets
var assets embed.FS

// Document is the OpenAPI document, as JSON. Nobody may change it.
func Document() []byte { return document }

// slashed is where the page is for who asked with a final slash: its references are relative, so that the gateway may sit
// behind a path prefix, and need one step less from there.
const slashed = ReferencePath + "/"

// Reference serves the page at [ReferencePath], with and without a final slash, and its parts below. An error means that
// the binary was built with a file that cannot be served.
func Reference() (http.Handler, error) {
	folder, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	s, err := site.New(folder, policy, urlPath)
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	page := s.Files[ReferencePath]
	below := strings.NewReplacer(`="docs/`, `="`, `="openapi.json"`, `="../openapi.json"`).Replace(string(page.Content))
	s.Add(slashed, page.Type, []byte(below))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The gateway takes final slashes off before it routes; only the address as it came tells.
		asked, _, _ := strings.Cut(r.RequestURI, "?")
		if r.URL.Path == ReferencePath && strings.HasSuffix(asked, "/") {
			u := *r.URL
			u.Path = slashed
			r = r.Clone(r.Context())
			r.URL = &u
		}
		s.ServeHTTP(w, r)
	}), nil
}

// urlPath is where the file of that name is served.
func urlPath(name string) string {
	if name == "index.html" {
		return ReferencePath
	}
	return slashed + name
}
