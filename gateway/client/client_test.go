package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

const id events.SessionID = "0192f1c2-5d3e-7000-8000-00000000abcd"

const grantJSON = `{"id":"0192f1c2-5d3e-7000-8000-00000000abcd","region":"local","joinable":true,"status":"created",
	"url":"ws://127.0.0.1:4000/1.0/sessions/x/sockets/slave?token=s","stun_servers":[{"urls":["stun:127.0.0.1:3478"]},
	{"urls":["turn:127.0.0.1:3478?transport=udp"],"username":"1:x","password":"p"}]}`

const sessionJSON = `{"id":"0192f1c2-5d3e-7000-8000-00000000abcd","app":"testcard","region":"local","joinable":true,"status":"active",
	"status_message":"","container_id":"i-7","cluster_id":"a1"}`

func newClient(t *testing.T, c *contract) *Client {
	t.Helper()
	cl, err := New(c.serve(t).URL+"/", "tok")
	require.NoError(t, err)
	return cl
}

func TestCreateAndJoin(t *testing.T) {
	c := newContract().on("POST /1.0/sessions", 201, made(grantJSON)).on("POST /1.0/sessions/"+string(id)+"/join", 200, ok(grantJSON))
	cl := newClient(t, c)
	idle, no := 0, false
	g, err := cl.Create(t.Context(), CreateRequest{App: "testcard", AppVersion: 2, Region: "local", Joinable: true, IdleTimeMin: &idle,
		Ephemeral: &no, ExtraData: events.Raw(`{"a":[1]}`), Screen: &Screen{Width: 640, Height: 480}})
	require.NoError(t, err)
	require.Equal(t, id, g.ID)
	require.Equal(t, "created", g.Status)
	require.Len(t, g.STUN, 2)
	require.Equal(t, ICEServer{URLs: []string{"turn:127.0.0.1:3478?transport=udp"}, Username: "1:x", Password: "p"}, g.STUN[1])
	got := c.last(t)
	require.Equal(t, "Macaroon root=tok", got.Auth)
	sameJSON(t, `{"app":"testcard","app_version":2,"region":"local","joinable":true,"idle_time_min":0,"ephemeral":false,"extra_data":{"a":[1]},
		"screen":{"width":640,"height":480}}`, got.Body)

	_, err = cl.Create(t.Context(), CreateRequest{App: "xterm"})
	require.NoError(t, err)
	sameJSON(t, `{"app":"xterm","joinable":false}`, c.last(t).Body)

	_, err = cl.Join(t.Context(), id, nil)
	require.NoError(t, err)
	sameJSON(t, `{}`, c.last(t).Body)
	_, err = cl.Join(t.Context(), id, &Screen{Width: 1080, Height: 2340})
	require.NoError(t, err)
	sameJSON(t, `{"screen":{"width":1080,"height":2340}}`, c.last(t).Body)
}

func TestReads(t *testing.T) {
	c := newContract().
		on("GET /1.0/sessions", 200, `{"type":"sync","status":"success","status_code":200,"total_size":7,"metadata":[`+sessionJSON+`]}`).
		on("GET /1.0/sessions/"+string(id), 200, ok(sessionJSON)).
		on("GET /1.0/applications", 200, ok(`[{"name":"testcard"},{"name":"xterm"}]`)).
		on("DELETE /1.0/sessions/"+string(id), 200, `{"type":"sync","status":"success","status_code":200}`)
	cl := newClient(t, c)
	list, total, err := cl.List(t.Context(), ListOptions{Status: "active", Limit: 1, Offset: 2})
	require.NoError(t, err)
	require.Equal(t, 7, total)
	want := Session{ID: id, App: "testcard", Region: "local", Joinable: true, Status: "active", ContainerID: "i-7", ClusterID: "a1"}
	require.Equal(t, []Session{want}, list)
	require.Equal(t, "limit=1&offset=2&recursion=true&status=active", c.last(t).Query)

	s, err := cl.Show(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, want, s)
	names, err := cl.Applications(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"testcard", "xterm"}, names)

	require.NoError(t, cl.Delete(t.Context(), id, false))
	require.Empty(t, c.last(t).Query)
	require.NoError(t, cl.Delete(t.Context(), id, true))
	require.Equal(t, "sync=true", c.last(t).Query)
}

func TestEvents(t *testing.T) {
	e := events.Event{ID: "e1", Source: "streamstack/gateway", Type: events.TypeOf(events.Created), Time: time.Unix(1e9, 0).UTC(),
		Subject: "sessions.local." + string(id) + ".gateway.created", Sequence: 17, ContentType: "application/json", Data: events.Raw(`{"app":"a","joinable":false,"ephemeral":true,"screen":{"width":2,"height":2,"fps":1,"density":72}}`),
		Region: "local", Session: id, Actor: events.Gateway, Name: events.Created}
	text, err := e.MarshalJSON()
	require.NoError(t, err)
	body := `{"type":"sync","status":"success","status_code":200,"metadata":[` + string(text) + `],"next":17}`
	c := newContract().on("GET /1.0/events", 200, body).on("GET /1.0/sessions/"+string(id)+"/events", 200, body).on("GET /1.0/sessions/"+string(id)+"/quality", 200, body)
	cl := newClient(t, c)
	page, next, err := cl.Events(t.Context(), EventsQuery{Region: "local", Type: "created", After: 5, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []events.Event{e}, page)
	require.Equal(t, events.Seq(17), next)
	require.Equal(t, "after=5&limit=10&region=local&type=created", c.last(t).Query)
	_, _, err = cl.Events(t.Context(), EventsQuery{Session: id})
	require.NoError(t, err)
	require.Equal(t, "/1.0/sessions/"+string(id)+"/events", c.last(t).Path)
	_, next, err = cl.Quality(t.Context(), id, 7, 20)
	require.NoError(t, err)
	require.Equal(t, events.Seq(17), next)
	require.Equal(t, "/1.0/sessions/"+string(id)+"/quality", c.last(t).Path)
	require.Equal(t, "after=7&limit=20", c.last(t).Query)
}

func TestErrorsSayWhatTheGatewaySaid(t *testing.T) {
	c := newContract()
	c.broken = true
	c.on("GET /1.0/sessions/gone", 404, `{"type":"error","status":"failed","status_code":404,"error":"session gone does not exist","code":"not_found"}`).
		on("GET /1.0/sessions/locked", 401, `{"type":"error","status":"failed","status_code":401,"error":"the token is wrong","code":"unauthorized"}`).
		on("GET /1.0/sessions/mute", 500, `{"type":"error","status":"failed","status_code":500}`).
		on("GET /1.0/sessions/odd", 200, `{"type":"error","status":"failed","status_code":200,"error":"half done"}`)
	cl := newClient(t, c)
	_, err := cl.Show(t.Context(), "gone")
	require.EqualError(t, err, "session gone does not exist")
	require.True(t, IsStatus(err, http.StatusNotFound))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "not_found", e.Code)
	_, err = cl.Show(t.Context(), "locked")
	require.ErrorContains(t, err, "the token is wrong: make a token with")
	require.True(t, IsStatus(err, http.StatusUnauthorized))
	_, err = cl.Show(t.Context(), "mute")
	require.EqualError(t, err, "the gateway refused with status 500")
	_, err = cl.Show(t.Context(), "odd")
	require.EqualError(t, err, "half done")
	_, err = cl.Show(t.Context(), "../accounts?x")
	require.True(t, IsStatus(err, http.StatusNotFound), "an id is no path")
	require.Equal(t, "/1.0/sessions/..%2Faccounts%3Fx", c.last(t).Path)
}

func TestWhatIsNoGateway(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"html":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>Bad gateway</html>")) },
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no object": jsonAnswer(`[1]`), "no status": jsonAnswer(`{"metadata":{}}`), "no metadata": jsonAnswer(`{"status":"success"}`),
		"other metadata": jsonAnswer(ok(`[]`)), "cut off": jsonAnswer(`{"status":`),
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			t.Cleanup(s.Close)
			cl, err := New(s.URL, "tok")
			require.NoError(t, err)
			_, err = cl.Show(t.Context(), id)
			require.ErrorIs(t, err, errAnswer)
			require.ErrorContains(t, err, strings.TrimPrefix(s.URL, "http://"))
		})
	}
	c := newContract().on("POST /1.0/sessions", 201, made(`{}`))
	c.broken = true
	cl := newClient(t, c)
	_, err := cl.Create(t.Context(), CreateRequest{App: "a"})
	require.ErrorIs(t, err, errAnswer, "a session without an id is none")
}

func jsonAnswer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}
}

func TestNobodyThere(t *testing.T) {
	s := httptest.NewServer(newContract())
	s.Close()
	cl, err := New(s.URL, "hush")
	require.NoError(t, err)
	_, err = cl.Show(t.Context(), id)
	require.ErrorContains(t, err, "does not answer: is it up?")
	require.NotContains(t, err.Error(), "hush")

	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hanging.Close)
	cl, err = New(hanging.URL, "tok")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = cl.Show(ctx, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for _, x := range []struct{ base, token string }{
		{"", "t"}, {"127.0.0.1:4000", "t"}, {"ftp://h", "t"}, {"http://u:p@h", "t"}, {"http://", "t"}, {"http://h:x", "t"},
		{"http://h", ""}, {"http://h", "a b"}, {"http://h", "a\n"},
	} {
		_, err := New(x.base, x.token)
		require.Error(t, err, x)
	}
	_, err := New("https://h/prefix/", "t")
	require.NoError(t, err)
}

func TestNoAnswerPanics(t *testing.T) {
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { jsonAnswer(body)(w, r) }))
	t.Cleanup(s.Close)
	cl, err := New(s.URL, "t")
	require.NoError(t, err)
	metadata := rapid.SampledFrom([]string{``, `null`, `{}`, `[]`, `"x"`, `7`, `{"id":7}`, `[{"id":"a"}]`, `{`})
	rapid.Check(t, func(rt *rapid.T) {
		body = `{"status":"success","metadata":` + metadata.Draw(rt, "metadata") + `}`
		s, err := cl.Show(t.Context(), id)
		if err == nil && s.ID != "" && !strings.Contains(body, string(s.ID)) {
			rt.Fatalf("%+v of %s", s, body)
		}
		_, _, _ = cl.List(t.Context(), ListOptions{})
		_, _, _ = cl.Events(t.Context(), EventsQuery{})
	})
}
