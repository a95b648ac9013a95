package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway/token"
)

// Every path answers with and without its final slash, in the envelope, and never with a redirect.
func TestEveryEndpointWithAndWithoutSlash(t *testing.T) {
	t.Parallel()
	r := house(t)
	for _, slash := range []string{"", "/"} {
		c := r.create()
		id := string(c.ID)
		require.Equal(t, "created", c.Status)
		require.JSONEq(t, "[]", string(c.STUN), "an array, always")
		require.Contains(t, c.URL, "ws://"+strings.TrimPrefix(r.url, "http://")+"/1.0/sessions/"+id+"/sockets/slave?token=")
		for _, call := range []struct {
			method, path string
			status       int
		}{
			{http.MethodGet, "/1.0/status", 200},
			{http.MethodGet, "/1.0/applications", 200},
			{http.MethodGet, "/1.0/regions", 200},
			{http.MethodGet, "/1.0/sessions", 200},
			{http.MethodGet, "/1.0/sessions/" + id, 200},
			{http.MethodGet, "/1.0/sessions/" + id + "/events", 200},
			{http.MethodGet, "/1.0/events", 200},
			{http.MethodPost, "/1.0/sessions/" + id + "/join", 200},
			{http.MethodGet, "/1.0/sessions/" + id + "/sockets/slave", 401},
			{http.MethodGet, "/1.0/session/" + id + "/sockets/slave", 401},
			{http.MethodDelete, "/1.0/sessions/" + id, 200},
			{http.MethodGet, "/1.0/nothing", 404},
			{http.MethodPut, "/1.0/sessions", 405},
		} {
			a := r.do(call.method, call.path+slash, "")
			require.Equal(t, call.status, a.StatusCode, "%s %s: %s", call.method, call.path+slash, a.Error)
			require.Empty(t, a.Header.Get("Location"))
		}
	}
}

// A path means the same however a client's library writes it; only a slash within a name is not one between names.
func TestEscapedPaths(t *testing.T) {
	t.Parallel()
	r := house(t)
	id := string(r.create().ID)
	for path, want := range map[string]int{
		"/1.0/sessions/" + strings.ReplaceAll(id, "-", "%2D"):             http.StatusOK,
		"/1.0/%73essions/%30" + strings.TrimPrefix(id, "0") + "/":         http.StatusOK,
		"/1.0/sessions/" + strings.ReplaceAll(id, "-", "%2d") + "/events": http.StatusOK,
		"/1.0/sessions/" + id + "%2Fevents":                               http.StatusBadRequest,
		"/1.0/sessions%2f" + id:                                           http.StatusNotFound,
	} {
		a := r.do(http.MethodGet, path, "")
		require.Equal(t, want, a.StatusCode, "%s: %s", path, a.Error)
	}
}

func TestListsOfApplicationsAndRegions(t *testing.T) {
	t.Parallel()
	r := house(t)
	r.stack.agent("a2", 1, "xterm", "testcard")
	r.serving("xterm")
	a := r.do(http.MethodGet, "/1.0/applications", "")
	require.JSONEq(t, `[{"name":"testcard"},{"name":"xterm"}]`, string(a.Metadata))
	require.Equal(t, 2, *a.TotalSize)
	require.JSONEq(t, `[{"name":"local"}]`, string(r.do(http.MethodGet, "/1.0/regions", "").Metadata))
	require.JSONEq(t, `{"status":"healthy"}`, string(r.do(http.MethodGet, "/1.0/status", "", "Authorization", "").Metadata))
	require.JSONEq(t, `{"status":"healthy","version":"test","agents":2,"database_nodes":1}`, string(r.do(http.MethodGet, "/1.0/status", "").Metadata))
}

// Without an agent there is nothing to list, and a list is an array all the same.
func TestEmptyListsAreArrays(t *testing.T) {
	t.Parallel()
	r := newStack(t).gateway()
	for _, path := range []string{"applications", "regions", "sessions", "sessions?recursion=true", "events"} {
		require.JSONEq(t, "[]", string(r.do(http.MethodGet, "/1.0/"+path, "").Metadata), path)
	}
}

func TestSessionList(t *testing.T) {
	t.Parallel()
	r := house(t)
	r.stack.agent("a2", 10, "xterm")
	r.serving("xterm")
	first, second, third := r.create(), r.create(`{"app":"xterm"}`), r.create()
	r.stack.ready(second.ID, r)
	ids := func(query string) (out []events.SessionID, total int) {
		a := r.do(http.MethodGet, "/1.0/sessions?"+query, "")
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		a.into(t, &out)
		return out, *a.TotalSize
	}
	for query, want := range map[string][]events.SessionID{
		"":                                    {first.ID, second.ID, third.ID},
		"status=active":                       {second.ID},
		"status=error":                        {},
		"sort_order=desc":                     {third.ID, second.ID, first.ID},
		"sort_by=app":                         {first.ID, third.ID, second.ID},
		"sort_by=app&sort_order=desc&limit=1": {second.ID},
		"sort_by=id&sort_order=asc":           {first.ID, second.ID, third.ID},
		"sort_by=container_id&sort_order=desc&limit=1": {second.ID},
		"limit=1":          {first.ID},
		"offset=1":         {second.ID, third.ID},
		"limit=1&offset=1": {second.ID},
		"offset=99":        {},
	} {
		got, total := ids(query)
		require.Equal(t, want, got, query)
		if !strings.Contains(query, "status=") {
			require.Equal(t, 3, total, query)
		}
	}
	for _, yes := range []string{"true", "1", "TRUE"} {
		a := r.do(http.MethodGet, "/1.0/sessions?status=active&recursion="+yes, "")
		require.JSONEq(t, `[{"id":"`+string(second.ID)+`","app":"xterm","region":"local","joinable":false,"status":"active",
			"status_message":"","container_id":"i-`+string(second.ID)+`","cluster_id":"a1"}]`, string(a.Metadata))
	}
	for _, bad := range []string{"status=dead", "recursion=maybe", "limit=-1", "limit=x", "offset=1.5", "sort_by=color", "sort_order=up"} {
		a := r.do(http.MethodGet, "/1.0/sessions?"+bad, "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode, bad)
		require.Contains(t, a.Error, strings.Split(bad, "=")[0])
	}
}

func TestUnknownSession(t *testing.T) {
	t.Parallel()
	r := house(t)
	const nobody = "0192f1c2-0000-7000-8000-000000000000"
	for _, call := range [][2]string{
		{http.MethodGet, ""}, {http.MethodDelete, ""}, {http.MethodDelete, "?sync=true&force=true"}, {http.MethodPost, "/join"}, {http.MethodGet, "/events"},
	} {
		a := r.do(call[0], "/1.0/sessions/"+nobody+call[1], "")
		require.Equal(t, http.StatusNotFound, a.StatusCode, call)
		require.Equal(t, "session "+nobody+" does not exist", a.Error)
		a = r.do(call[0], "/1.0/sessions/*"+call[1], "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode, call)
		a = r.do(call[0], "/1.0/sessions/A%2e%3e"+call[1], "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode, call)
	}
	c := r.create()
	for _, bad := range []string{"?sync=yes-please", "?force=2"} {
		require.Equal(t, http.StatusBadRequest, r.do(http.MethodDelete, "/1.0/sessions/"+string(c.ID)+bad, "").StatusCode, bad)
	}
}

// Pages of events join to the whole log, filtered or not.
func TestEventPages(t *testing.T) {
	t.Parallel()
	r := house(t)
	c, other := r.create(), r.create()
	r.stack.ready(c.ID, r)
	type event struct {
		Type     string `json:"type"`
		Subject  string `json:"subject"`
		Sequence int64  `json:"sequence"`
	}
	page := func(path string) (out []event, next int64) {
		a := r.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		a.into(t, &out)
		return out, *a.Next
	}
	read := func(path string, limit string) (subjects []string) {
		after := "0"
		for {
			events, next := page(path + "&limit=" + limit + "&after=" + after)
			for _, e := range events {
				subjects = append(subjects, e.Subject[strings.LastIndex(e.Subject[:strings.LastIndex(e.Subject, ".")], ".")+1:])
			}
			if strconv.FormatInt(next, 10) == after {
				return subjects
			}
			after = strconv.FormatInt(next, 10)
		}
	}
	want := []string{"gateway.created", "gateway.joined", "agent.claimed", "agent.launched", "streamer.ready"}
	for _, limit := range []string{"1", "2", "1000"} {
		require.Equal(t, want, read("/1.0/sessions/"+string(c.ID)+"/events?", limit))
		require.Equal(t, want, read("/1.0/events?session="+string(c.ID), limit))
		require.Len(t, read("/1.0/events?region=local", limit), 7)
		require.Empty(t, read("/1.0/events?region=elsewhere", limit))
		for _, kind := range []string{"joined", "gateway.joined", "streamstack.session.joined.v1"} {
			require.Equal(t, []string{"gateway.joined", "gateway.joined"}, read("/1.0/events?type="+kind, limit), kind)
		}
	}
	// A session that is gone keeps its history.
	require.Equal(t, http.StatusOK, r.do(http.MethodDelete, "/1.0/sessions/"+string(other.ID), "").StatusCode)
	require.Equal(t, "404", r.status(other.ID))
	require.Contains(t, read("/1.0/sessions/"+string(other.ID)+"/events?", "10"), "gateway.expired")
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "after=-1", "after=x", "region=A.B", "session=*"} {
		require.Equal(t, http.StatusBadRequest, r.do(http.MethodGet, "/1.0/events?"+bad, "").StatusCode, bad)
	}
}

// A preflight needs no token, and errors carry the origin too: else a page sees a network error in place of the status.
func TestCORS(t *testing.T) {
	t.Parallel()
	r := house(t, func(g *Gateway) { g.cfg.Origins = []string{"https://app.example.net"} })
	preflight := func(origin string) (int, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.url+"/1.0/sessions/", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "POST")
		req.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		res, err := noFollow.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode, res.Header
	}
	status, h := preflight("https://app.example.net")
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, "https://app.example.net", h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Authorization, Content-Type", h.Get("Access-Control-Allow-Headers"))
	require.Contains(t, h.Get("Access-Control-Allow-Methods"), "POST")
	require.Contains(t, h.Get("Access-Control-Allow-Methods"), "DELETE")
	require.Contains(t, h.Values("Vary"), "Origin")
	_, evil := preflight("https://evil.example.net")
	require.Empty(t, evil.Get("Access-Control-Allow-Origin"))
	for _, path := range []string{"/1.0/sessions", "/1.0/nothing", "/1.0/sessions/x"} {
		for _, auth := range []string{"Macaroon root=" + r.token, "nonsense"} {
			a := r.do(http.MethodGet, path, "", "Origin", "https://app.example.net", "Authorization", auth)
			require.Equal(t, "https://app.example.net", a.Header.Get("Access-Control-Allow-Origin"), "%s %d", path, a.StatusCode)
		}
	}
	a := r.do(http.MethodGet, "/1.0/sessions/x/sockets/slave", "", "Origin", "https://evil.example.net")
	require.Equal(t, http.StatusForbidden, a.StatusCode)
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	r := house(t)
	get := func(query string, headers ...string) answer {
		return r.do(http.MethodGet, "/1.0/sessions"+query, "", headers...)
	}
	for _, good := range []string{"Macaroon root=", "macaroon root=", "MACAROON   root="} {
		require.Equal(t, http.StatusOK, get("", "Authorization", good+r.token).StatusCode, good)
	}
	require.Equal(t, http.StatusOK, get("?api_token="+r.token, "Authorization", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, get("?api_token="+r.token, "Authorization", "macaroon root=wrong").StatusCode, "the header wins")
	require.Equal(t, http.StatusOK, get("?api_token=wrong").StatusCode, "the header wins")

	refused := func(auth, why string) {
		t.Helper()
		a := get("", "Authorization", auth)
		require.Equal(t, http.StatusUnauthorized, a.StatusCode)
		require.Equal(t, "unauthorized", a.Code)
		require.Contains(t, a.Error, why)
		require.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
	}
	refused("", "none given")
	refused("Bearer "+r.token, "not valid")
	refused("macaroon root="+r.token[:40], "not valid")
	socket, err := r.stack.mint.IssueSocket(token.SocketClaims{Session: "s", Peer: "p", Role: token.RoleSlave, Expiry: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	refused("macaroon root="+socket, "not valid")
	expired, err := r.stack.mint.IssueAPI(token.Claims{Account: "tester", ID: "x", Expiry: time.Now().Add(-time.Second), Scopes: token.AllScopes})
	require.NoError(t, err)
	refused("macaroon root="+expired, "expired")
	nobody, err := r.stack.mint.IssueAPI(token.Claims{Account: "nobody", ID: "x", Expiry: time.Now().Add(time.Hour), Scopes: token.AllScopes})
	require.NoError(t, err)
	refused("macaroon root="+nobody, "deleted")
	// A newer token ends the older one.
	old := r.token
	r.token, err = r.CreateAccount(t.Context(), "tester", time.Now().Add(time.Hour))
	require.NoError(t, err)
	refused("macaroon root="+old, "newer token")
	require.Equal(t, http.StatusOK, get("").StatusCode)
}

// A query that cannot be read is a mistake, not a question without parameters.
func TestMalformedQueries(t *testing.T) {
	t.Parallel()
	r := house(t)
	for _, path := range []string{"/1.0/sessions?limit=%zz", "/1.0/sessions?status=active;recursion=1", "/1.0/shares?%=1", "/1.0/events?after=%"} {
		a := r.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode, path)
		require.Equal(t, codeBadRequest, a.Code, path)
		require.Contains(t, a.Error, "the query cannot be read", path)
	}
}
