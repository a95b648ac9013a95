package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"streamstack/events/eventstest"
	"streamstack/gateway/client"
)

// Accounts are made, listed and deleted on the admin socket; a deleted one's token is refused by all gateways at once.
func TestAccounts(t *testing.T) {
	t.Parallel()
	r := house(t)
	other := r.stack.gateway()
	admin := client.NewAdmin(r.admin)
	made, err := admin.Create(t.Context(), "kim", time.Hour, false)
	require.NoError(t, err)
	require.NotEmpty(t, made.Token)
	expiry, err := time.Parse(time.RFC3339, made.Expiry)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), expiry, time.Minute)
	auth := []string{"Authorization", "macaroon root=" + made.Token}
	require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "", auth...).StatusCode)
	list, err := admin.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "kim", list[0].Name)
	require.Equal(t, "read,create,admin", list[0].Scopes)
	require.Empty(t, list[0].Token, "a token is nowhere but in the answer to its creation")
	eventstest.Wait(t, within, func() string {
		if a := other.do(http.MethodGet, "/1.0/sessions", "", auth...); a.StatusCode != http.StatusOK {
			return "the account at the other gateway: " + a.Error
		}
		return ""
	})

	require.NoError(t, admin.Delete(t.Context(), "kim"))
	require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, "/1.0/sessions", "", auth...).StatusCode)
	eventstest.Wait(t, within, func() string {
		if a := other.do(http.MethodGet, "/1.0/sessions", "", auth...); a.StatusCode != http.StatusUnauthorized {
			return "the refusal by the other gateway"
		}
		return ""
	})

	require.True(t, client.IsStatus(admin.Delete(t.Context(), "kim"), http.StatusNotFound))
	for _, name := range []string{"", "Kim", "a.b", "*"} {
		_, err = admin.Create(t.Context(), name, 0, false)
		require.True(t, client.IsStatus(err, http.StatusBadRequest), "%q: %v", name, err)
	}
	_, err = admin.Create(t.Context(), "kim", -time.Hour, false)
	require.True(t, client.IsStatus(err, http.StatusBadRequest))
	_, err = admin.Create(t.Context(), "kim", 0, false) // it was deleted
	require.NoError(t, err)
	_, err = admin.Create(t.Context(), "kim", 0, false)
	require.ErrorContains(t, err, "--rotate", "a new token would end the old one")
	again, err := admin.Create(t.Context(), "kim", 0, true)
	require.NoError(t, err)
	expiry, err = time.Parse(time.RFC3339, again.Expiry)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(defaultTokenLife), expiry, time.Minute)
	require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, "/1.0/sessions", "", auth...).StatusCode, "the old token of the name")
}

// Of several who make an account of one name at once, at two gateways, one has its token; the others are told that it exists.
func TestAccountsAtOnce(t *testing.T) {
	t.Parallel()
	r := house(t)
	gateways := []*replica{r, r.stack.gateway()}
	for round := range 20 {
		name := fmt.Sprintf("kim-%d", round)
		tokens := make([]string, 6)
		var all errgroup.Group
		for i := range tokens {
			all.Go(func() error {
				made, err := client.NewAdmin(gateways[i%2].admin).Create(t.Context(), name, time.Hour, false)
				if client.IsStatus(err, http.StatusConflict) {
					return nil
				}
				tokens[i] = made.Token
				return err
			})
		}
		require.NoError(t, all.Wait())
		won := slices.DeleteFunc(tokens, func(s string) bool { return s == "" })
		require.Len(t, won, 1)
		require.Equal(t, http.StatusOK, r.do(http.MethodGet, "/1.0/sessions", "", "Authorization", "macaroon root="+won[0]).StatusCode)
	}
}
