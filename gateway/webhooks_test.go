package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/webhook"
)

// operator asks on the admin socket.
func (r *replica) operator(method, path, body string) answer {
	t := r.stack.t
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.admin)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://admin"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	a := answer{Header: res.Header}
	require.NoError(t, a.check(res, text), "%s", text)
	return a
}

func withWebhooks(t *testing.T) func(*Gateway) {
	t.Helper()
	root, err := keyfile.Open(filepath.Join(t.TempDir(), "webhook.key"))
	require.NoError(t, err)
	return func(g *Gateway) {
		g.cfg.Webhooks = webhook.New(webhook.Config{Log: g.cfg.Log, Logger: g.log, Root: root})
	}
}

// A webhook from its registration to its end, through the admin API of a whole gateway; and not through the public one.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway(withWebhooks(t))
	deliveries := make(chan error, 10)
	var secret webhook.Secret
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = webhook.Verify(secret, req.Header, body, time.Now())
		}
		if err == nil && !strings.Contains(string(body), `"specversion":"1.0"`) {
			err = fmt.Errorf("no CloudEvent: %s", body)
		}
		deliveries <- err
		w.WriteHeader(http.StatusNoContent)
	}))
	defer endpoint.Close()
	require.JSONEq(t, "[]", string(r.operator(http.MethodGet, "/1.0/webhooks", "").Metadata))
	a := r.operator(http.MethodPost, "/1.0/webhooks", fmt.Sprintf(`{"url":%q,"types":["failed"]}`, endpoint.URL))
	require.Equal(t, http.StatusCreated, a.StatusCode, a.Error)
	var w webhookObject
	a.into(t, &w)
	var err error
	secret, err = webhook.ParseSecret(w.Secret)
	require.NoError(t, err)
	s.say("a", events.Gateway, events.Created, events.CreatedData{}, r)
	s.say("a", events.Agent, events.Failed, events.FailedData{Reason: "x"}, r)
	select {
	case err := <-deliveries:
		require.NoError(t, err)
	case <-time.After(within):
		t.Fatal("no delivery")
	}
	eventstest.Wait(t, within, func() string {
		a := r.operator(http.MethodGet, "/1.0/webhooks/"+string(w.ID), "")
		require.NotContains(t, string(a.Metadata), "whsec_")
		var shown webhookProgress
		a.into(t, &shown)
		if shown.LastSuccess == "" || shown.Pending != 0 {
			return fmt.Sprintf("a success, and nothing pending: %s", a.Metadata)
		}
		return ""
	})
	require.NotContains(t, string(r.operator(http.MethodGet, "/1.0/webhooks", "").Metadata), "whsec_")
	for body, want := range map[string]int{
		`{}`: 400, `{"url":"ftp://x"}`: 400, `{"url":"http://h","types":["*"]}`: 400, `{"url":"http://169.254.169.254/"}`: 400, `[]`: 400, `{"url":"http://h","region":"E U"}`: 400,
	} {
		require.Equal(t, want, r.operator(http.MethodPost, "/1.0/webhooks", body).StatusCode, body)
	}
	require.Equal(t, http.StatusNotFound, r.operator(http.MethodDelete, "/1.0/webhooks/nobody", "").StatusCode)
	require.Equal(t, http.StatusNotFound, r.do(http.MethodGet, "/1.0/webhooks", "").StatusCode, "operators only")
	require.Equal(t, http.StatusOK, r.operator(http.MethodDelete, "/1.0/webhooks/"+string(w.ID), "").StatusCode)
	require.Equal(t, http.StatusNotFound, r.operator(http.MethodGet, "/1.0/webhooks/"+string(w.ID), "").StatusCode)
}
