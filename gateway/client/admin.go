package client

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// AdminSocket is the path of a stack's admin socket in its data folder. Whoever may open it may make tokens.
func AdminSocket(dataDir string) string { return filepath.Join(dataDir, "admin.sock") }

// Admin calls the account API on the admin socket. It is safe for concurrent use.
type Admin struct {
	api api
}

// Account is an account as the admin API shows it.
type Account struct {
	Name    string `json:"name"`
	Token   string `json:"token,omitempty"`      // in the answer to a creation only
	Scopes  string `json:"scopes,omitempty"`     // that it was made with, such as read,create; empty for older accounts
	Expiry  string `json:"expiry,omitempty"`     // RFC 3339
	Created string `json:"created_at,omitempty"` // RFC 3339
	Expired bool   `json:"expired,omitempty"`    // the expiry has come
}

// NewAdmin makes a client of the admin socket at path.
func NewAdmin(path string) *Admin {
	var d net.Dialer
	return &Admin{api{
		base: "http://admin", where: "the stack's admin socket " + path,
		http: &http.Client{CheckRedirect: noRedirect, Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
			// One call, one connection: none is left open for a command that is about to end.
			DisableKeepAlives: true,
		}},
	}}
}

// Create makes an account and returns it with its token. life 0 means the gateway's default. An account of that name is
// refused, or with rotate is given a new token, which ends its old one. The token may do what the scopes name (read, create,
// admin); none given: everything.
func (a *Admin) Create(ctx context.Context, name string, life time.Duration, rotate bool, scopes ...string) (Account, error) {
	body := struct {
		Name   string `json:"name"`
		Expiry string `json:"expiry,omitempty"`
		Scopes string `json:"scopes,omitempty"`
		Rotate bool   `json:"rotate,omitempty"`
	}{Name: name, Rotate: rotate, Scopes: strings.Join(scopes, ",")}
	if life != 0 {
		body.Expiry = life.String()
	}
	var acc Account
	_, err := a.api.call(ctx, http.MethodPost, "/1.0/accounts", body, http.StatusCreated, &acc)
	return acc, err
}

// List returns the accounts by name, without their tokens.
func (a *Admin) List(ctx context.Context) ([]Account, error) {
	var list []Account
	_, err := a.api.call(ctx, http.MethodGet, "/1.0/accounts", nil, http.StatusOK, &list)
	return list, err
}

// Delete ends an account and with it its token.
func (a *Admin) Delete(ctx context.Context, name string) error {
	_, err := a.api.call(ctx, http.MethodDelete, "/1.0/accounts/"+url.PathEscape(name), nil, http.StatusOK, nil)
	return err
}
