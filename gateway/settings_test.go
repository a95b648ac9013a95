package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// config is GET /1.0/config's.
func (r *replica) config() (c configObject) {
	r.stack.t.Helper()
	a := r.do(http.MethodGet, "/1.0/config", "")
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	a.into(r.stack.t, &c)
	return c
}

func (r *replica) set(name, value string) {
	r.stack.t.Helper()
	a := r.do(http.MethodPatch, "/1.0/config", fmt.Sprintf(`{"name":%q,"value":%s}`, name, value))
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
}

// A setting takes effect on every gateway, is an event that says who changed it, and null takes it back.
func TestSettingsTakeEffectEverywhere(t *testing.T) {
	t.Parallel()
	one := house(t)
	two := one.stack.gateway()
	require.Equal(t, "5", one.config().Config["shares_per_session"])
	one.set("shares_per_session", `"1"`)
	one.set("share_life_minutes", `90`) // a number stands for its text
	one.set("share_max_life_minutes", `"100"`)
	one.set("public_url", `"https://stream.example.net/base"`)
	one.set("cors_origins", `"https://app.example.net"`)
	one.set("cors_headers", `"X-Request-Id"`)
	one.set("cors_methods", `"PUT"`)
	for _, item := range one.config().Items {
		if item.Name == "share_life_minutes" {
			require.Equal(t, []string{"90", "720", "tester"}, []string{item.Value, item.Default, item.ChangedBy})
			at, err := time.Parse(time.RFC3339, item.ChangedAt)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
		}
		require.NotEmpty(t, item.Description)
	}
	eventstest.Wait(t, within, func() string {
		if got := two.config().Config; got["cors_methods"] != "PUT" {
			return fmt.Sprintf("the changes at the other gateway: %v", got)
		}
		return ""
	})
	c := two.create()
	require.True(t, strings.HasPrefix(c.URL, "wss://stream.example.net/base/1.0/sessions/"), c.URL)
	share := func() answer {
		return two.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/share", `{"type":"adb"}`)
	}
	a := share()
	require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
	var x shareAnswer
	a.into(t, &x)
	require.EqualValues(t, 90, x.ExpiryMin)
	require.Equal(t, http.StatusForbidden, share().StatusCode, "one share a session")
	late := two.do(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/share", `{"type":"adb","expiry_min":101}`)
	require.Equal(t, http.StatusBadRequest, late.StatusCode)
	require.Contains(t, late.Error, "100 minutes")

	preflight := func(origin string) http.Header {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, two.url+"/1.0/sessions", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Headers", "authorization,idempotency-key")
		res, err := noFollow.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.Header
	}
	h := preflight("https://app.example.net")
	require.Equal(t, "https://app.example.net", h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Authorization, Content-Type, Idempotency-Key, X-Request-Id", h.Get("Access-Control-Allow-Headers"))
	require.Equal(t, "GET, POST, PATCH, DELETE, OPTIONS, PUT", h.Get("Access-Control-Allow-Methods"))
	require.Empty(t, preflight("https://evil.example.net").Get("Access-Control-Allow-Origin"))

	one.set("cors_origins", `null`)
	require.Equal(t, "*", one.config().Config["cors_origins"], "as it was started")
	var changes []string
	require.NoError(t, one.stack.log.Read(t.Context(), events.SettingsStream, "", 0, func(e events.Event) error {
		require.Empty(t, e.Quarantine)
		var d events.SettingData
		require.NoError(t, e.Decode(&d))
		require.Equal(t, "tester", d.Account)
		changes = append(changes, e.Subject)
		return nil
	}))
	require.Len(t, changes, 8)
	require.Equal(t, "settings.cors_origins.changed", changes[7])
}

// A body that is no change is refused in words that name what is wrong, and leaves no event.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	r := newStack(t).gateway()
	for body, want := range map[string][2]string{
		``:                                    {"bad_request", "name is required"},
		`[]`:                                  {"bad_request", "must be a JSON object"},
		`{`:                                   {"bad_request", "not valid JSON"},
		`{"name":5,"value":"x"}`:              {"bad_request", "name must not be"},
		`{"name":"color","value":"red"}`:      {"unknown_setting", `"color"; there are cors_headers`},
		`{"name":"shares_per_session"}`:       {"bad_request", "value is required"},
		`{"name":"public_url","value":true}`:  {"bad_request", "value must be"},
		`{"name":"public_url","value":{}}`:    {"bad_request", "value must be"},
		`{"name":"public_url","value":"x"}`:   {"bad_request", "public_url must be an address"},
		`{"name":"cors_origins","value":"x"}`: {"bad_request", "cors_origins takes origins"},
		`{"name":"requests_per_second","value":-1}`: {"bad_request", "requests_per_second must be a whole number from 0"},
		`{"name":"shares_per_session","value":1.5}`: {"bad_request", "shares_per_session must be a whole number"},
	} {
		a := r.do(http.MethodPatch, "/1.0/config", body)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, body)
		require.Equal(t, want[0], a.Code, body)
		require.Contains(t, a.Error, want[1], body)
	}
	require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, "/1.0/config", "", "Authorization", "").StatusCode)
	b, err := r.cfg.Log.Bounds(t.Context(), events.SettingsStream)
	require.NoError(t, err)
	require.Zero(t, b.Last)
}
