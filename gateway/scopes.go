package gateway

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"streamstack/gateway/token"
)

// codeForbidden is the code of a request that needs a scope which its token lacks.
const codeForbidden = "forbidden"

// needs is the table of what a token must be allowed for each call of the API. A call that is not in it needs all there is.
//
// Calls without an account's token are not here: the status, schemas and pages, which anybody may see, and a session's
// sockets and shares' connect, whose own credential is in the URL.
var needs = map[string]token.Scopes{
	"GET /1.0/applications":         token.Read,
	"GET /1.0/regions":              token.Read,
	"GET /1.0/agents":               token.Read,
	"GET /1.0/agents/:id":           token.Read,
	"POST /1.0/agents/:id/drain":    token.Admin,
	"DELETE /1.0/agents/:id/drain":  token.Admin,
	"GET /1.0/sessions":             token.Read,
	"GET /1.0/sessions/:id":         token.Read,
	"GET /1.0/sessions/:id/events":  token.Read,
	"GET /1.0/sessions/:id/quality": token.Read,
	"GET /1.0/events":               token.Read,
	"GET /1.0/shares":               token.Read,
	// With the share's URL in it, which lets somebody in.
	"GET /1.0/shares/:id":          token.Read | token.Create,
	"POST /1.0/sessions":           token.Create,
	"DELETE /1.0/sessions":         token.Create,
	"DELETE /1.0/sessions/:id":     token.Create,
	"POST /1.0/sessions/:id/join":  token.Create,
	"POST /1.0/sessions/:id/share": token.Create,
	"PATCH /1.0/shares/:id":        token.Create,
	"DELETE /1.0/shares/:id":       token.Create,
	"GET /1.0/config":              token.Admin,
	"PATCH /1.0/config":            token.Admin,
}

// permit refuses what a token's scopes do not allow.
func permit(c echo.Context, have token.Scopes) error {
	need, ok := needs[c.Request().Method+" "+c.Path()]
	if !ok {
		need = token.AllScopes
	}
	if missing := need &^ have; missing != 0 {
		holds := "holds " + have.String()
		if have == 0 {
			holds = "holds none: the caveats that were added to it exclude each other"
		}
		return &apiError{status: http.StatusForbidden, code: codeForbidden,
			message: fmt.Sprintf("this needs a token with scope %s; yours %s (`streamstack account create NAME --scope %s` makes one)", missing, holds, have|need)}
	}
	return nil
}
