package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/gateway/openapi/openapitest"
)

// call is a request as the server of a test got it.
type call struct {
	Method, Path, Query, Auth, Body string
}

// contract is a server that answers as gateway-api.md has it, with what a test lays down, and keeps what it was asked.
type contract struct {
	mu      sync.Mutex
	calls   []call
	answers map[string][]answer // by method and path; the last one is given again and again
	// broken says that the answers are not those of a gateway, and shall not be.
	broken bool
}

type answer struct {
	status int
	body   string
}

func newContract() *contract { return &contract{answers: map[string][]answer{}} }

// on lays down what is answered.
func (c *contract) on(methodPath string, status int, body string) *contract {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[methodPath] = append(c.answers[methodPath], answer{status, body})
	return c
}

func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), string(body)})
	key := r.Method + " " + r.URL.EscapedPath()
	list := c.answers[key]
	if len(list) == 0 {
		list = []answer{{http.StatusNotFound, `{"type":"error","status":"failed","status_code":404,"error":"nothing at ` + key + `","code":"not_found"}`}}
	}
	if len(list) > 1 {
		c.answers[key] = list[1:]
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(list[0].status)
	_, _ = io.WriteString(w, list[0].body) // a client that has gone away is no failure of the test
}

// last is the last request.
func (c *contract) last(t *testing.T) call {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(t, c.calls)
	return c.calls[len(c.calls)-1]
}

// serve listens on loopback until the test ends.
func (c *contract) serve(t *testing.T) *httptest.Server {
	t.Helper()
	var h http.Handler = c
	if !c.broken {
		h = openapitest.New(t).Wrap(c) // what it answers must be what a gateway could
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// serveSocket listens on the admin socket of a new data folder, and returns the folder.
func (c *contract) serveSocket(t *testing.T) string {
	t.Helper()
	dir := t.TempDir() // short enough for a socket's address (108 bytes, unix(7)) as long as the tests' names are
	l, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: openapitest.New(t).Before(c, true)}}
	s.Start()
	t.Cleanup(s.Close)
	return dir
}

// ok is an answer with metadata; a list's has its size, and null's none.
func ok(metadata string) string {
	var list []json.RawMessage
	size := ""
	if json.Unmarshal([]byte(metadata), &list) == nil && list != nil {
		size = fmt.Sprintf(`,"total_size":%d`, len(list))
	}
	if metadata != "null" {
		metadata = `,"metadata":` + metadata
	} else {
		metadata = ""
	}
	return `{"type":"sync","status":"success","status_code":200` + size + metadata + `}`
}

// made is the answer to a creation.
func made(metadata string) string { return strings.Replace(ok(metadata), "200", "201", 1) }

// sameJSON compares a request's body with what was to be sent.
func sameJSON(t *testing.T, want, got string) {
	t.Helper()
	require.True(t, json.Valid([]byte(got)), got)
	require.JSONEq(t, want, got)
}
