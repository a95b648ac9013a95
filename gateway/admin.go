package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// defaultTokenLife is how long an account's token is good for where its creator does not say.
const defaultTokenLife = 365 * 24 * time.Hour

// adminRoutes makes the account API of the local admin socket. Whoever may open the socket is trusted: it lies in the
// data folder, readable by its owner alone.
func (g *Gateway) adminRoutes() *echo.Echo {
	e := g.newEcho()
	e.Use(g.whenReady)
	e.POST("/1.0/accounts", g.createAccount)
	e.GET("/1.0/accounts", g.listAccounts)
	e.DELETE("/1.0/accounts/:name", g.deleteAccount)
	if g.cfg.Webhooks != nil {
		g.webhookRoutes(e)
	}
	return e
}

// accountObject is an account as the admin API shows it. Token is in the answer of a creation only.
// Scopes are what it was made with: whoever holds a token can narrow it, and asks nobody.
type accountObject struct {
	Name    string `json:"name"`
	Token   string `json:"token,omitempty"`
	Scopes  string `json:"scopes,omitempty"`
	Expiry  string `json:"expiry,omitempty"`
	Created string `json:"created_at,omitempty"`
	Expired bool   `json:"expired,omitempty"`
}

func (g *Gateway) createAccount(c echo.Context) error {
	var req struct {
		Name   string `json:"name"`
		Expiry string `json:"expiry"` // RFC 3339, or a duration such as 720h
		Scopes string `json:"scopes"` // such as read,create; empty: all
		Rotate bool   `json:"rotate"` // gives an account that exists a new token, which ends its old one
	}
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	expiry, err := g.parseExpiry(req.Expiry)
	if err != nil {
		return err
	}
	scopes := token.AllScopes
	if req.Scopes != "" {
		if scopes, err = token.ParseScopes(req.Scopes); err != nil {
			return badRequest("scopes: %s", err)
		}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), creationTime)
	defer cancel()
	tok, err := g.newToken(ctx, req.Name, expiry, scopes, req.Rotate)
	if err != nil {
		return err
	}
	return succeed(c, http.StatusCreated, accountObject{Name: req.Name, Token: tok, Expiry: expiry.UTC().Format(time.RFC3339), Scopes: scopes.String()})
}

// knows tells whether an account exists, at this gateway or another.
func (g *Gateway) knows(ctx context.Context, name string) (known bool, err error) {
	if err := g.accountsNow(ctx); err != nil {
		return false, err
	}
	g.accounts.Read(func(a *projections.Accounts) { _, known = a.Get(name) })
	return known, nil
}

func (g *Gateway) parseExpiry(text string) (time.Time, error) {
	if text == "" {
		return g.now().Add(defaultTokenLife), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		text = g.now().Add(d).Format(time.RFC3339)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !t.After(g.now()) {
		return time.Time{}, badRequest("expiry must be a time to come (RFC 3339) or a duration such as 720h")
	}
	return t, nil
}

// CreateAccount makes an account, or gives the one of that name a new token, which ends its old one. The token may do what
// the scopes together allow; none given: everything. It is returned, and is nowhere else.
func (g *Gateway) CreateAccount(ctx context.Context, name string, expiry time.Time, scopes ...token.Scopes) (string, error) {
	may := token.Scopes(0)
	for _, s := range scopes {
		may |= s
	}
	if len(scopes) == 0 {
		may = token.AllScopes
	}
	return g.newToken(ctx, name, expiry, may, true)
}

// newToken makes a token and appends that the account has it; without rotate only if there is no such account. Of two who make
// one of the same name at once one is told that it exists: it would have been given a token that is worthless already.
func (g *Gateway) newToken(ctx context.Context, name string, expiry time.Time, may token.Scopes, rotate bool) (string, error) {
	if !events.ValidToken(name) {
		return "", badRequest("an account's name has 1 to 63 of a-z, 0-9 and -, not %s", quoted(name))
	}
	id, err := token.NewID()
	if err != nil {
		return "", fmt.Errorf("gateway: account: %w", err)
	}
	tok, err := g.cfg.Tokens.IssueAPI(token.Claims{Account: name, ID: id, Expiry: expiry, Scopes: may})
	if err != nil {
		return "", fmt.Errorf("gateway: account: %w", err)
	}
	data := events.AccountData{TokenID: string(id), Expiry: expiry.UTC().Format(time.RFC3339), Scopes: may.String()}
	if rotate {
		return tok, g.appendAccount(ctx, name, events.AccountCreated, data)
	}
	exists := &apiError{status: http.StatusConflict, code: codeExists,
		message: fmt.Sprintf("account %s exists: a new token would end its old one; say so with --rotate, or take another name", name)}
	known, last, err := g.loadAccount(ctx, name)
	switch {
	case err != nil:
		return "", err
	case known.TokenID != "":
		return "", exists
	}
	seq, err := g.cfg.Log.AppendAccountExpecting(ctx, name, events.AccountCreated, data, last)
	if errors.Is(err, events.ErrConflict) {
		return "", exists
	}
	if err != nil {
		return "", err
	}
	return tok, g.accountSeen(ctx, seq)
}

func (g *Gateway) appendAccount(ctx context.Context, name string, n events.Name, data events.AccountData) error {
	seq, err := g.cfg.Log.Append(ctx, events.NewAccountDraft(name, n, data))
	if err != nil {
		return err
	}
	return g.accountSeen(ctx, seq)
}

// accountSeen waits until this gateway's read model has what it just wrote.
func (g *Gateway) accountSeen(ctx context.Context, seq events.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	if err := g.accounts.Wait(ctx, seq); err != nil {
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return nil
}

func (g *Gateway) listAccounts(c echo.Context) error {
	var all []projections.Account
	g.accounts.Read(func(a *projections.Accounts) { all = a.List() })
	out := make([]accountObject, 0, len(all))
	for _, a := range all {
		out = append(out, accountObject{Name: a.Name, Scopes: a.Scopes, Expiry: a.Expiry, Created: a.Created.UTC().Format(time.RFC3339), Expired: a.Expired})
	}
	return succeedList(c, out, len(out))
}

func (g *Gateway) deleteAccount(c echo.Context) error {
	name := c.Param("name")
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	known, err := g.knows(ctx, name)
	switch {
	case err != nil:
		return err
	case !known:
		return &apiError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf("account %q does not exist", name)}
	}
	if err := g.appendAccount(ctx, name, events.AccountDeleted, events.AccountData{}); err != nil {
		return err
	}
	return succeed(c, http.StatusOK, nil)
}
