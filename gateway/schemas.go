package gateway

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"streamstack/events/schema"
)

const (
	schemasPath  = "/1.0/schemas"
	asyncAPIPath = "/1.0/asyncapi.json"
	// Media types: JSON Schema draft 2020-12, section 14.1, and AsyncAPI 3.0.0.
	schemaType   = "application/schema+json"
	asyncAPIType = "application/vnd.aai.asyncapi+json;version=3.0.0"
	// schemaCache is for browsers and proxies: the files change with the program only.
	schemaCache = "public, max-age=3600"
)

// schemaEntry is an entry of the list of schemas.
type schemaEntry struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// serveSchemas adds what describes the log. It asks for no token: the files are the same in every copy of the program,
// and tools that follow references between them cannot send one.
func serveSchemas(e *echo.Echo, m ...echo.MiddlewareFunc) {
	e.GET(schemasPath, listSchemas, m...)
	e.GET(schemasPath+"/:file", getSchema, m...)
	e.GET(asyncAPIPath, func(c echo.Context) error { return blob(c, asyncAPIType, schema.AsyncAPI()) }, m...)
}

// listSchemas lists the schemas with where each is.
func listSchemas(c echo.Context) error {
	names := schema.Names()
	list := make([]schemaEntry, 0, len(names))
	for _, n := range names {
		list = append(list, schemaEntry{n, schemasPath + "/" + n + ".json"})
	}
	return succeedList(c, list, len(list))
}

// getSchema answers with one schema.
func getSchema(c echo.Context) error {
	file := c.Param("file")
	name, isJSON := strings.CutSuffix(file, ".json")
	text, ok := schema.Get(name)
	if !isJSON || !ok {
		return &apiError{status: http.StatusNotFound, code: codeNotFound, message: "there is no schema " + file + ": see " + schemasPath}
	}
	return blob(c, schemaType, text)
}

func blob(c echo.Context, contentType string, text []byte) error {
	c.Response().Header().Set("Cache-Control", schemaCache)
	return c.Blob(http.StatusOK, contentType, text) //nolint:wrapcheck // echo's own handler
}
