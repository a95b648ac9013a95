package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/gateway/openapi"
)

// openAPIType is what tools and browsers take alike; the registration of a type of its own is under way still
// (draft-ietf-httpapi-rest-api-mediatypes).
const openAPIType = "application/json"

// serveReference adds the description of this API, for programs and for people. It asks for no token: it is the same in
// every copy of the program.
func serveReference(e *echo.Echo, m ...echo.MiddlewareFunc) {
	e.GET(openapi.Path, func(c echo.Context) error { return blob(c, openAPIType, openapi.Document()) }, m...)
	page, err := openapi.Reference()
	if err != nil { // the binary was built so: a test of package openapi would have failed
		page = http.NotFoundHandler()
	}
	e.GET(openapi.ReferencePath, echo.WrapHandler(page), m...)
	e.GET(openapi.ReferencePath+"/:file", echo.WrapHandler(page), m...)
}
