package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// accountKey is where the caller's account is in echo's context.
const accountKey = "account"

// authenticate lets a request pass that carries the token of an account that exists, if the token's scopes allow it.
func (g *Gateway) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		claims, err := g.claims(c.Request())
		if err != nil {
			if asAPIError(err).status == http.StatusUnauthorized {
				c.Response().Header().Set("WWW-Authenticate", `Macaroon realm="streamstack"`)
			}
			return err
		}
		if err := permit(c, claims.Scopes); err != nil {
			return err
		}
		c.Set(accountKey, claims.Account)
		return next(c)
	}
}

// claims finds out who calls, and what he may.
func (g *Gateway) claims(r *http.Request) (token.Claims, error) {
	raw, err := token.FromRequest(r)
	if err != nil {
		return token.Claims{}, denied(err.Error(), nil)
	}
	return g.verify(r.Context(), raw)
}

// denied is the answer to a credential that is not good.
func denied(msg string, cause error) error {
	return &apiError{http.StatusUnauthorized, codeUnauthorized, msg, cause}
}

// Account tells whose an API token is, if it stands: signed here, not expired, of an account that exists and has no newer
// one.
func (g *Gateway) Account(ctx context.Context, raw string) (string, error) {
	claims, err := g.verify(ctx, raw)
	return claims.Account, err
}

// verify checks a token. That its account stands is known from the read model, once that holds all that was in the log
// when the token came: a deletion that anybody was told of, at whatever gateway, is seen. While NATS is away nobody can
// know, and the answer is [events.ErrUnavailable].
func (g *Gateway) verify(ctx context.Context, raw string) (token.Claims, error) {
	claims, err := g.cfg.Tokens.VerifyAPI(raw, g.now())
	switch {
	case errors.Is(err, token.ErrExpired):
		return token.Claims{}, denied(token.ErrExpired.Error(), err)
	case err != nil:
		return token.Claims{}, denied(token.ErrInvalid.Error(), err)
	}
	if err := g.accountsNow(ctx); err != nil {
		return token.Claims{}, err
	}
	if !g.stands(claims) {
		return token.Claims{}, denied("token: its account was deleted, or has a newer token", nil)
	}
	return claims, nil
}

// stands tells whether the read model has an account with this very token.
func (g *Gateway) stands(claims token.Claims) bool {
	var known projections.Account
	g.accounts.Read(func(a *projections.Accounts) { known, _ = a.Get(claims.Account) })
	return known.TokenID != "" && known.TokenID == string(claims.ID)
}

// accountsNow waits until the read model of the accounts holds all that was acknowledged before the call.
func (g *Gateway) accountsNow(ctx context.Context) error {
	last, err := g.accountsLast.seq(ctx)
	if err != nil {
		return err
	}
	return g.awaitAccounts(ctx, last)
}

// awaitAccounts waits until the read model of the accounts has come to a sequence.
func (g *Gateway) awaitAccounts(ctx context.Context, seq events.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites-askTime)
	defer cancel()
	if err := g.accounts.Wait(ctx, seq); err != nil {
		return errors.Join(events.ErrUnavailable, err)
	}
	return nil
}

// caller is the account of an authenticated request.
func caller(c echo.Context) string {
	name, _ := c.Get(accountKey).(string)
	return name
}

// socketExpiry is when a socket token made now ends.
func (g *Gateway) socketExpiry() time.Time { return g.now().Add(socketTokenLife) }
