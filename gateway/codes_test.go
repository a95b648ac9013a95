package gateway

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/token"
	"streamstack/gateway/webhook"
)

// declaredCodes are the codes of errors in this package's sources: constants named code…, which are texts.
func declaredCodes(t *testing.T) (codes []string) {
	t.Helper()
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(gotoken.NewFileSet(), f.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "code") || len(spec.Values) != 1 {
				return true
			}
			if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == gotoken.STRING {
				code, err := strconv.Unquote(text.Value)
				require.NoError(t, err)
				codes = append(codes, code)
			}
			return true
		})
	}
	return codes
}

// Each code that there is comes in an answer, with its status: programs that act on it do so for a reason.
func TestEveryCodeIsReached(t *testing.T) {
	t.Parallel()
	r := house(t)
	s := r.stack
	s.agent("gone", 5, "xterm")
	r.serving("xterm")
	_, err := s.log.Append(t.Context(), events.NewAgentDraft(region, "gone", events.AgentOffline, events.OfflineData{Reason: "drained"}))
	require.NoError(t, err)
	s.agent("full", 0, "glxgears")
	eventstest.Wait(t, within, func() string {
		_, alive := r.agentsNow()
		if _, err := r.place("glxgears", 0, ""); asAPIError(err).code != codeNoCapacity || len(alive) != 2 {
			return "one agent that has left, and one without room"
		}
		return ""
	})
	c := r.create()
	shared := r.create()
	for range 5 {
		r.do(http.MethodPost, "/1.0/sessions/"+string(shared.ID)+"/share", `{"type":"adb"}`)
	}
	s.ready(c.ID, r)
	s.say(c.ID, events.Agent, events.Failed, events.FailedData{Part: "application", Reason: "exited"}, r)
	r.createKeyed("once", keyed)
	ask := func(method, path, body string, headers ...string) answer { return r.do(method, path, body, headers...) }
	// Of what no request can bring about by itself, the translation is asked.
	translated := func(err error) answer {
		api := asAPIError(err)
		return answer{StatusCode: api.status, Code: api.code, Error: api.message}
	}
	reader, err := r.CreateAccount(t.Context(), "reader", time.Now().Add(time.Hour), token.Read)
	require.NoError(t, err)
	reached := map[string]bool{}
	for _, x := range []struct {
		status int
		code   string
		got    answer
	}{
		{400, "bad_request", ask(http.MethodPost, "/1.0/sessions", `{`)},
		{401, "unauthorized", ask(http.MethodGet, "/1.0/sessions", "", "Authorization", "")},
		{403, "forbidden", ask(http.MethodPost, "/1.0/sessions", "", "Authorization", "Macaroon root="+reader)},
		{404, "not_found", ask(http.MethodGet, "/1.0/sessions/nobody", "")},
		{404, "not_found", ask(http.MethodGet, "/1.0/nothing", "")},
		{405, "method_not_allowed", ask(http.MethodPut, "/1.0/sessions", "")},
		{413, "too_large", ask(http.MethodPost, "/1.0/sessions", `{"app":"`+strings.Repeat("x", maxBody)+`"}`)},
		{400, "unknown_application", ask(http.MethodPost, "/1.0/sessions", `{"app":"nobody-has-it"}`)},
		{404, "unknown_region", ask(http.MethodPost, "/1.0/sessions", `{"app":"testcard","region":"mars"}`)},
		{404, "application_not_served", ask(http.MethodPost, "/1.0/sessions", `{"app":"xterm"}`)},
		{404, "no_capacity", ask(http.MethodPost, "/1.0/sessions", `{"app":"glxgears"}`)},
		{400, "wrong_state", ask(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", "")},
		{403, "share_limit", ask(http.MethodPost, "/1.0/sessions/"+string(shared.ID)+"/share", `{"type":"adb"}`)},
		{400, "no_master_socket", ask(http.MethodGet, "/1.0/sessions/"+string(shared.ID)+"/sockets/master", "")},
		{409, "streamer_present", translated(streamerPresent())}, // asked in deployments/soak, with credentials
		{400, "no_adb", r.withoutADB()},
		{400, "unknown_setting", ask(http.MethodPatch, "/1.0/config", `{"name":"color","value":"red"}`)},
		{422, "idempotency_key_reused", ask(http.MethodPost, "/1.0/sessions", `{"app":"testcard"}`, "Idempotency-Key", "once")},
		{503, "unavailable", translated(fmt.Errorf("append: %w", events.ErrUnavailable))}, // asked of a server in TestOutage
		// The limits are asked of a gateway with lower ones in their own tests.
		{429, "rate_limit", translated(tooMany(codeRateLimit, "limit"))},
		{429, "denied_limit", translated(tooMany(codeDeniedLimit, "limit"))},
		{429, "session_limit", translated(tooMany(codeSessionLimit, "limit"))},
		{429, "viewer_limit", translated(tooMany(codeViewerLimit, "limit"))},
		{429, "socket_limit", translated(tooMany(codeSocketLimit, "limit"))},
		{500, "internal", translated(errors.New("a bug"))},
		{409, "exists", r.adminDo(http.MethodPost, "/1.0/accounts", `{"name":"tester"}`)},
		{409, "too_many", translated(webhookError(webhook.ErrTooMany, ""))}, // asked of the admin socket in package webhook's tests
	} {
		require.Equal(t, x.code, x.got.Code, x.got.Error)
		require.Equal(t, x.status, x.got.StatusCode, x.code)
		require.NotEmpty(t, x.got.Error)
		reached[x.code] = true
	}
	for _, code := range declaredCodes(t) {
		require.True(t, reached[code], "no request of this test is answered with %s: add one", code)
	}
}
