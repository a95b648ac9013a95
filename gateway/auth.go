package gateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/gateway/token"
	"streamstack/projections"
)

// accountKey is where the caller's account is in echo's context.
const accountKey = "account"

// authenticate lets a request pass that carries the token of an account that exists.
func (g *Gateway) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		name, err := g.account(c.Request())
		if err != nil {
			c.Response().Header().Set("WWW-Authenticate", `Macaroon realm="streamstack"`)
			return err
		}
		c.Set(accountKey, name)
		return next(c)
	}
}

// account finds out who calls.
func (g *Gateway) account(r *http.Request) (string, error) {
	raw, err := token.FromRequest(r)
	if err != nil {
		return "", denied(err.Error(), nil)
	}
	return g.Account(raw)
}

// denied is the answer to a credential that is not good.
func denied(msg string, cause error) error {
	return &apiError{http.StatusUnauthorized, codeUnauthorized, msg, cause}
}

// Account tells whose an API token is, if it stands: signed here, not expired, of an account that exists and has no newer
// one.
func (g *Gateway) Account(raw string) (string, error) {
	claims, err := g.cfg.Tokens.VerifyAPI(raw, g.now())
	switch {
	case errors.Is(err, token.ErrExpired):
		return "", denied(token.ErrExpired.Error(), err)
	case err != nil:
		return "", denied(token.ErrInvalid.Error(), err)
	}
	var known projections.Account
	g.accounts.Read(func(a *projections.Accounts) { known, _ = a.Get(claims.Account) })
	if known.TokenID == "" || known.TokenID != string(claims.ID) {
		return "", denied("token: its account was deleted, or has a newer token", nil)
	}
	return claims.Account, nil
}

// caller is the account of an authenticated request.
func caller(c echo.Context) string {
	name, _ := c.Get(accountKey).(string)
	return name
}

// socketExpiry is when a socket token made now ends.
func (g *Gateway) socketExpiry() time.Time { return g.now().Add(socketTokenLife) }
