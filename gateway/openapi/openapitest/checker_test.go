package openapitest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// quiet is a checker that reports to the test of itself only.
func quiet(t *testing.T) *Checker {
	t.Helper()
	contract, err := load()
	require.NoError(t, err)
	return &Checker{contract: contract, events: sharedEvents(t)}
}

// said is an exchange for a table: what is asked, what is answered, and what is wrong with it, empty if nothing is.
type said struct {
	ask, body, token string // token is sent in the header
	status           int
	header           map[string]string
	answer           string
	wrong            string
}

const (
	good = `{"type":"sync","status":"success","status_code":200}`
	bad  = `{"type":"error","status":"failed","status_code":%d,"error":"no","code":"bad_request"}`
	show = `{"type":"sync","status":"success","status_code":200,"metadata":{"id":"s","app":"a","region":"r","joinable":true,"status":"active","status_message":"","container_id":"","cluster_id":""%s}}`
)

func failure(status int) string { return fmt.Sprintf(bad, status) }

func TestMismatchesAreFound(t *testing.T) {
	for name, x := range map[string]said{
		"sound":                     {ask: "GET /1.0/sessions/s", token: "t", answer: fmt.Sprintf(show, "")},
		"with a slash":              {ask: "GET /1.0/sessions/s/", token: "t", answer: fmt.Sprintf(show, "")},
		"the token in the query":    {ask: "GET /1.0/sessions/s?api_token=t", answer: fmt.Sprintf(show, "")},
		"no token":                  {ask: "GET /1.0/sessions/s", answer: fmt.Sprintf(show, ""), wrong: "security"},
		"no token, refused":         {ask: "GET /1.0/sessions/s", status: 401, answer: failure(401)},
		"one field more":            {ask: "GET /1.0/sessions/s", token: "t", answer: fmt.Sprintf(show, `,"x":1`), wrong: "x"},
		"a field of another kind":   {ask: "GET /1.0/sessions/s", token: "t", answer: strings.Replace(fmt.Sprintf(show, ""), `"joinable":true`, `"joinable":"true"`, 1), wrong: "joinable"},
		"a field less":              {ask: "GET /1.0/sessions/s", token: "t", answer: strings.Replace(fmt.Sprintf(show, ""), `"app":"a",`, ``, 1), wrong: "app"},
		"an unknown status":         {ask: "GET /1.0/sessions/s", token: "t", answer: strings.Replace(fmt.Sprintf(show, ""), `"active"`, `"running"`, 1), wrong: "status"},
		"a field beside metadata":   {ask: "GET /1.0/sessions/s", token: "t", answer: strings.Replace(fmt.Sprintf(show, ""), `{"type"`, `{"total_size":1,"type"`, 1), wrong: "total_size"},
		"another status_code":       {ask: "GET /1.0/sessions/s", token: "t", answer: strings.Replace(fmt.Sprintf(show, ""), `200`, `201`, 1), wrong: "status_code is 201"},
		"a status that is not said": {ask: "GET /1.0/sessions/s", token: "t", status: 418, answer: failure(418), wrong: "does not answer 418"},
		"no code":                   {ask: "GET /1.0/sessions/s", token: "t", status: 404, answer: `{"type":"error","status":"failed","status_code":404,"error":"no"}`, wrong: "code"},
		"an unknown code":           {ask: "GET /1.0/sessions/s", token: "t", status: 404, answer: strings.Replace(failure(404), "bad_request", "oops", 1), wrong: "code"},
		"no Retry-After":            {ask: "GET /1.0/sessions/s", token: "t", status: 503, answer: failure(503), wrong: "Retry-After"},
		"Retry-After":               {ask: "GET /1.0/sessions/s", token: "t", status: 503, header: map[string]string{"Retry-After": "1"}, answer: failure(503)},
		"Retry-After in words":      {ask: "GET /1.0/sessions/s", token: "t", status: 429, header: map[string]string{"Retry-After": "soon"}, answer: failure(429), wrong: "Retry-After"},
		"a page for people":         {ask: "GET /1.0/sessions/s", token: "t", header: map[string]string{"Content-Type": "text/html"}, answer: "<p>", wrong: "text/html"},
		"no JSON":                   {ask: "GET /1.0/sessions/s", token: "t", answer: "{", wrong: "not JSON"},
		"a limit of no kind":        {ask: "GET /1.0/sessions?limit=x", token: "t", answer: good, wrong: "limit"},
		"a limit refused":           {ask: "GET /1.0/sessions?limit=x", token: "t", status: 400, answer: failure(400)},
		"a list without its size":   {ask: "GET /1.0/sessions", token: "t", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[]}`, wrong: "total_size"},
		"a list":                    {ask: "GET /1.0/sessions?recursion=1&status=&sort_order=DESC", token: "t", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[],"total_size":0}`},
		"a body of no kind":         {ask: "POST /1.0/sessions/s/share", body: `{"type":"vnc"}`, token: "t", answer: good, wrong: "type"},
		"stun_servers null": {ask: "GET /1.0/sessions/s/connect?type=adb&token=t",
			answer: `{"type":"sync","status":"success","status_code":200,"metadata":{"url":"ws://h/","stun_servers":null}}`, wrong: "stun_servers"},
		"what is not there":           {ask: "GET /1.0/teapots", status: 404, answer: failure(404)},
		"a method that is not there":  {ask: "PUT /1.0/sessions", status: 405, answer: failure(405)},
		"too long, wherever":          {ask: "GET /1.0/teapots", status: 413, answer: failure(413)},
		"an operation of nobody":      {ask: "GET /1.0/teapots", answer: good, wrong: "no such operation"},
		"the admin's, to the public":  {ask: "GET /1.0/accounts", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[],"total_size":0}`, wrong: "no such operation"},
		"a preflight":                 {ask: "OPTIONS /1.0/sessions", status: 204},
		"a preflight with a body":     {ask: "OPTIONS /1.0/sessions", answer: "{}", wrong: "204"},
		"the console":                 {ask: "GET /console/x", answer: "anything"},
		"events":                      {ask: "GET /1.0/events?type=a.b,c&limit=5", token: "t", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[],"next":7}`},
		"an event that is none":       {ask: "GET /1.0/events", token: "t", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[{"id":"x"}],"next":7}`, wrong: "metadata"},
		"an event whose data is none": {ask: "GET /1.0/events", token: "t", answer: `{"type":"sync","status":"success","status_code":200,"metadata":[` + event + `],"next":7}`, wrong: "'reason'"},
		"a stream with such an event": {ask: "GET /1.0/events", token: "t", header: map[string]string{"Content-Type": "text/event-stream"}, answer: "data: " + event + "\n\n", wrong: "'reason'"},
		"a stream": {ask: "GET /1.0/events", token: "t", header: map[string]string{"Content-Type": "text/event-stream"},
			answer: "data: " + strings.Replace(event, `{}`, `{"agent":"a","attempt":1,"part":"process","reason":"x"}`, 1) + "\n\ndata: {"},
	} {
		c := quiet(t)
		x.exchange(t, c.Wrap(x))
		problems, n := c.Found()
		require.Equal(t, 1, n, name)
		if x.wrong == "" {
			require.Empty(t, problems, name)
			continue
		}
		require.Len(t, problems, 1, name)
		require.Contains(t, problems[0], x.wrong, name)
	}
}

const event = `{"specversion":"1.0","id":"i","source":"streamstack/agent","type":"streamstack.session.failed.v1","time":"2026-11-22T06:27:09Z",` +
	`"subject":"sessions.local.s.agent.failed","sequence":1,"datacontenttype":"application/json","data":{}}`

// exchange asks a handler as the table says.
func (x said) exchange(t *testing.T, h http.Handler) {
	t.Helper()
	method, target, _ := strings.Cut(x.ask, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(x.body))
	r.Header.Set("Content-Type", "application/json")
	if x.token != "" {
		r.Header.Set("Authorization", "macaroon root="+x.token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, x.answer, w.Body.String(), "it passes as it was written")
}

// ServeHTTP answers as the table says.
func (x said) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // a string
	w.Header().Set("Content-Type", "application/json")
	for name, value := range x.header {
		w.Header().Set(name, value)
	}
	if x.status != 0 {
		w.WriteHeader(x.status)
	}
	_, _ = io.WriteString(w, x.answer) // a recorder
}

// A websocket is checked when its handshake is done, and works as without the check, through the proxy too.
func TestWebsocketsPass(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // answered
		}
		kind, text, err := conn.Read(r.Context())
		if err == nil {
			_ = conn.Write(r.Context(), kind, text) // the client says what it got
		}
	}))
	t.Cleanup(server.Close)
	for path, wrong := range map[string]string{"/1.0/sessions/s/sockets/slave?token=t": "", "/1.0/session/s/sockets/slave?token=t": "", "/1.0/sessions/s/sockets/slave": "security"} {
		c := quiet(t)
		checked := httptest.NewServer(c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.Config.Handler.ServeHTTP(w, r) })))
		t.Cleanup(checked.Close)
		dial(t, checked.URL+path)
		problems, n := c.Found()
		require.Equal(t, 1, n)
		require.Equal(t, wrong != "", len(problems) == 1, problems)
	}
	dial(t, Proxy(t, server.URL)+"/1.0/sessions/s/sockets/slave?token=t")
}

func dial(t *testing.T, url string) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil) //nolint:bodyclose // the body is the connection's
	require.NoError(t, err)
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, text, err := conn.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
	_ = conn.CloseNow() // the server's side has gone
}

// The proxy keeps the Host, passes streams on as they come, and breaks what its gateway breaks.
func TestProxy(t *testing.T) {
	more := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection
		}
		_, _ = io.WriteString(w, r.Host) // the client says what it got
		_ = http.NewResponseController(w).Flush()
		<-more
	}))
	t.Cleanup(server.Close)
	address := Proxy(t, server.URL)
	get := func(path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, http.NoBody)
		require.NoError(t, err)
		return http.DefaultClient.Do(req)
	}
	res, err := get("/")
	require.NoError(t, err)
	host := make([]byte, len(address)-len("http://"))
	_, err = io.ReadFull(res.Body, host) // before the answer's end
	require.NoError(t, err)
	close(more)
	require.Equal(t, "http://"+string(host), address)
	require.NoError(t, res.Body.Close())
	_, err = get("/broken") //nolint:bodyclose // there is none
	require.Error(t, err)
}

// A document that cannot be used says so.
func TestADocumentThatIsNone(t *testing.T) {
	for _, text := range []string{"", "[]", `{"openapi":"3.1.1","info":{"title":"t","version":"1"},"paths":{"/a":{"get":{}}}}`} {
		_, err := newContract([]byte(text))
		require.Error(t, err, text)
	}
}
