package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
	"streamstack/gateway/webhook"
)

// fuzzed is a gateway that runs, with a log, an agent and, where a target needs them, a session and a share; requests are
// put to its routes without a network.
type fuzzed struct {
	*Gateway
	admin *echo.Echo
	token string
	// names are what {session}, {share} and {socket} stand for in a target's path.
	names map[string]string
}

// fuzz runs a gateway until the target ends.
func fuzz(f *testing.F) *fuzzed {
	f.Helper()
	server := eventstest.Start(f)
	log := eventstest.NewLog(f, server.Connect(f), events.StreamsConfig{})
	mint, err := token.Open(f.TempDir(), discard())
	require.NoError(f, err)
	root, err := keyfile.Open(filepath.Join(f.TempDir(), "webhook.key"))
	require.NoError(f, err)
	hooks := webhook.New(webhook.Config{Log: log, Logger: discard(), Root: root})
	g := New(Config{Log: log, Logger: discard(), Tokens: mint, Webhooks: hooks, Origins: []string{"*"},
		Limits: &limit.Figures{MessageBytes: 128 << 10}}) // a fuzzer asks more than any account may
	l, err := new(net.ListenConfig).Listen(f.Context(), "tcp", "127.0.0.1:0")
	require.NoError(f, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, l, nil, func() { close(ready) }) }()
	f.Cleanup(func() {
		cancel()
		require.NoError(f, <-done)
	})
	select {
	case <-ready:
	case <-time.After(within):
		f.Fatal("the gateway is not ready")
	}
	x := &fuzzed{Gateway: g, admin: g.adminRoutes(), names: map[string]string{}}
	x.token, err = g.CreateAccount(f.Context(), "fuzz", time.Now().Add(time.Hour))
	require.NoError(f, err)
	return x
}

// host gives the gateway a session and a share of it.
func (x *fuzzed) host(f *testing.F) {
	f.Helper()
	beat := nats.NewMsg("$KV." + events.HeartbeatBucket + "." + events.HeartbeatKey(region, "a1"))
	beat.Data = []byte(time.Now().UTC().Format(time.RFC3339Nano))
	_, err := x.cfg.Log.JetStream().PublishMsg(f.Context(), beat, jetstream.WithMsgTTL(time.Hour))
	require.NoError(f, err)
	_, err = x.cfg.Log.Append(f.Context(), events.NewAgentDraft(region, "a1", events.AgentOnline, events.OnlineData{
		Driver: "fake", Slots: 1 << 20, Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1}, Screen: events.Screen{Width: 640, Height: 480, FPS: 30}}}}))
	require.NoError(f, err)
	eventstest.Wait(f, within, func() string {
		if _, err := x.place("testcard", 0, ""); err != nil {
			return err.Error()
		}
		return ""
	})
	var c struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	x.made(f, http.MethodPost, "/1.0/sessions", `{"app":"testcard","joinable":true,"idle_time_min":0}`, &c)
	x.names["session"] = c.ID
	u, err := url.Parse(c.URL)
	require.NoError(f, err)
	x.names["socket"] = u.Query().Get("token")
	x.made(f, http.MethodPost, "/1.0/sessions/"+c.ID+"/share", `{"type":"adb"}`, &c)
	x.names["share"] = c.ID
}

// made asks for something that is granted.
func (x *fuzzed) made(f *testing.F, method, path, body string, into any) {
	f.Helper()
	rec := x.ask(x.echo, method, path, []byte(body))
	var a answer
	require.NoError(f, json.Unmarshal(rec.Body.Bytes(), &a))
	require.Less(f, a.StatusCode, 300, "%s %s: %s", method, path, a.Error)
	require.NoError(f, json.Unmarshal(a.Metadata, into))
}

// path fills in a target's path.
func (x *fuzzed) path(template string) string {
	for name, value := range x.names {
		template = strings.ReplaceAll(template, "{"+name+"}", value)
	}
	return template
}

// ask puts a request to the routes; what follows a ? in path is its query, as it is.
func (x *fuzzed) ask(e *echo.Echo, method, path string, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", bytes.NewReader(body))
	path, query, _ := strings.Cut(path, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set(echo.HeaderAuthorization, "Macaroon root="+x.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header[http.CanonicalHeaderKey(header[i])] = []string{header[i+1]} // as it is, not checked
	}
	rec := &deadlined{httptest.NewRecorder()}
	e.ServeHTTP(rec, r)
	return rec.ResponseRecorder
}

// sound is what holds for every answer: an envelope with the status of HTTP, and a mistake is the client's, never ours, and
// said in the client's terms.
func sound(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	var a answer
	if err := a.check(rec.Result(), rec.Body.Bytes()); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	if a.StatusCode >= 500 || len(a.Error) > 1000 || strings.Contains(a.Error, "Go ") || strings.Contains(a.Error, "gateway:") {
		t.Fatalf("%d %s", a.StatusCode, a.Error)
	}
}

// fuzzBody puts bodies to a path.
func fuzzBody(f *testing.F, method, path string, seeds ...string) {
	f.Helper()
	x := fuzz(f)
	x.host(f)
	for _, s := range append(seeds, ``, `{}`, `null`, `[]`, "{\"\xff\"") {
		f.Add([]byte(s))
	}
	path = x.path(path)
	f.Fuzz(func(t *testing.T, body []byte) { sound(t, x.ask(x.echo, method, path, body)) })
}

// fuzzAdmin puts bodies to a path of the admin socket. There is no session: nothing is delivered to a webhook's address.
func fuzzAdmin(f *testing.F, path string, seeds ...string) {
	f.Helper()
	x := fuzz(f)
	for _, s := range append(seeds, ``, `{}`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { sound(t, x.ask(x.admin, http.MethodPost, path, body)) })
}

// fuzzQuery puts queries to a path.
func fuzzQuery(f *testing.F, method, path string, seeds ...string) {
	f.Helper()
	x := fuzz(f)
	x.host(f)
	seeds = append(seeds, ``, `=`, `&&`, `%zz`, `a;b`)
	for _, name := range []string{"limit", "recursion", "as_of", "after", "type", "session", "region", "token", "force", "sync"} {
		seeds = append(seeds, name+"="+strings.Repeat("%22", 2500), name+"="+strings.Repeat("0", 2500)+"7")
	}
	for _, s := range seeds {
		f.Add(x.path(s))
	}
	path = x.path(path)
	if rec := x.ask(x.echo, method, path+strings.Repeat("é", 2500), nil); rec.Code < 400 || rec.Body.Len() > 1200 {
		f.Fatalf("a path of 5,000 bytes: %d, %d bytes", rec.Code, rec.Body.Len())
	}
	f.Fuzz(func(t *testing.T, query string) { sound(t, x.ask(x.echo, method, path+"?"+query, nil)) })
}

func FuzzJoin(f *testing.F) {
	fuzzBody(f, http.MethodPost, "/1.0/sessions/{session}/join", `{"screen":{"width":1080,"height":2340}}`, `{"screen":{"width":1}}`,
		`{"screen":{"density":72,"fps":240},"disconnect_clients":true}`, `{"screen":null}`)
}

func FuzzDrain(f *testing.F) {
	fuzzBody(f, http.MethodPost, "/1.0/agents/a1/drain", `{"deadline_min":10}`, `{"deadline_min":null}`, `{"deadline_min":-1}`, `{"deadline_min":1e3}`,
		`{"deadline_min":9223372036854775808}`)
}

func FuzzShare(f *testing.F) {
	fuzzBody(f, http.MethodPost, "/1.0/sessions/{session}/share", `{"type":"adb","description":"for Kim","expiry_at":1764050000}`,
		`{"type":"adb","expiry_min":1}`, `{"type":"vnc"}`, `{"type":"adb","expiry_at":9223372036854775807}`, `{"type":"adb","expiry_min":-9223372036854775808}`)
}

func FuzzDeleteSeveral(f *testing.F) {
	fuzzBody(f, http.MethodDelete, "/1.0/sessions", `{"ids":["0192f1c2-5d3e-4000-8000-00000000abcd"]}`, `{"ids":[]}`, `{"ids":["",null,"a.b",">"]}`, `{"ids":"all"}`)
}

// A setting that was changed holds for the inputs after it, as it does for an operator's.
func FuzzConfig(f *testing.F) {
	fuzzBody(f, http.MethodPatch, "/1.0/config", `{"name":"shares_per_session","value":"10"}`, `{"name":"cors_origins","value":null}`, `{"name":"public_url","value":"https://[::1"}`,
		`{"name":"share_life_minutes","value":9223372036854775807}`, `{"name":"requests_per_second","value":"1e309"}`, `{"name":"","value":[]}`)
}

func FuzzPatchShare(f *testing.F) {
	fuzzBody(f, http.MethodPatch, "/1.0/shares/{share}", `{"description":"for Kim"}`, `{"expiry_at":9223372036854775807}`, `{"expiry_at":-1,"description":null}`)
}

func FuzzAccount(f *testing.F) {
	fuzzAdmin(f, "/1.0/accounts", `{"name":"kim","expiry":"720h"}`, `{"name":"kim","rotate":true}`, `{"name":"kim","expiry":"2999-01-01T00:00:00Z"}`,
		`{"name":"A.B"}`, `{"name":"kim","expiry":"99999999h"}`)
}

func FuzzWebhook(f *testing.F) {
	fuzzAdmin(f, "/1.0/webhooks", `{"url":"http://127.0.0.1:9/hook","types":["streamer.ready"],"region":"local"}`, `{"url":"https://[::1]/"}`,
		`{"url":"http://user:pass@127.0.0.1/"}`, `{"url":"http://127.0.0.1/","types":["*.*"]}`, `{"url":"file:///etc/passwd"}`)
}

func FuzzListQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions", `status=active&recursion=true&limit=10&offset=2&sort_by=app&sort_order=desc`, `limit=-1`,
		`limit=9223372036854775808`, `offset=9223372036854775807&limit=9223372036854775807`, `sort_by=nothing`, `as_of=1`, `as_of=2026-01-01T00:00:00Z&recursion=1`)
}

func FuzzSharesQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/shares", `recursion=1&limit=1&offset=1&session_id={session}`, `session_id=%00`)
}

func FuzzSessionQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions/{session}", `as_of=3`, `as_of=-1`, `as_of=2026-01-01T00:00:00.999999999Z`, `as_of=18446744073709551615`)
}

func FuzzEventsQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions/{session}/events", `after=3&limit=2`, `type=streamer.ready&type=gateway.*`, `after=-1`, `type=a.b.c`, `limit=0`)
}

func FuzzAllEventsQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/events", `region=local&session={session}&app=testcard&after=1`, `region=*&session=%3E`)
}

func FuzzQualityQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions/{session}/quality", `after=1&limit=1`, `after=x`)
}

func FuzzDeleteQuery(f *testing.F) {
	fuzzQuery(f, http.MethodDelete, "/1.0/sessions/0192f1c2-5d3e-4000-8000-00000000abcd", `force=true&sync=1`, `force=maybe`, `sync=`)
}

func FuzzConnectQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions/{session}/connect", `type=adb&token={socket}`, `type=adb&token=`, `type=vnc`)
}

// A socket's address with any query is refused, or would be a socket; the token in it is one of the seeds.
func FuzzSocketQuery(f *testing.F) {
	fuzzQuery(f, http.MethodGet, "/1.0/sessions/{session}/sockets/slave", `token={socket}`, `token={socket}&after=0`, `token={socket}&after=-1`,
		`token={socket}&after=18446744073709551615`, `token=`, `after=1`)
}

// Whatever stands in the header, an answer is 200 with the account's token and 401 without it.
func FuzzAuthorization(f *testing.F) {
	x := fuzz(f)
	for _, s := range []string{"Macaroon root=" + x.token, "macaroon  root=" + x.token, "Bearer " + x.token, "Macaroon root=", "Macaroon", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		rec := x.ask(x.echo, http.MethodGet, "/1.0/sessions", nil, echo.HeaderAuthorization, header)
		sound(t, rec)
		if rec.Code == http.StatusOK && !strings.HasSuffix(strings.TrimSpace(header), x.token) {
			t.Fatalf("let in by %q", header)
		}
		if rec.Code != http.StatusOK && rec.Code != http.StatusUnauthorized {
			t.Fatalf("%d", rec.Code)
		}
	})
}

// Whatever stands in an idempotency key, it is refused in the client's terms or gives one session, twice the same.
func FuzzIdempotencyKey(f *testing.F) {
	x := fuzz(f)
	x.host(f)
	for _, s := range []string{"8e03978e-40d5-43dd-bc93-6894a57f9324", `"quoted"`, "", " ", "a b", "\x00", "\xff", "é", strings.Repeat("k", 255), strings.Repeat("k", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		var ids [2]string
		for i := range ids {
			rec := x.ask(x.echo, http.MethodPost, "/1.0/sessions", []byte(`{"app":"testcard"}`), "Idempotency-Key", key)
			sound(t, rec)
			var a struct {
				Metadata struct{ ID string } `json:"metadata"`
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &a))
			ids[i] = a.Metadata.ID
		}
		if key != "" && ids[0] != ids[1] {
			t.Fatalf("the key %q gave the sessions %s and %s", key, ids[0], ids[1])
		}
	})
}
