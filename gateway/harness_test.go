package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/openapi/openapitest"
	"streamstack/gateway/token"
)

// within bounds each wait of a test: generous, for two cores with the race detector.
const within = 60 * time.Second

const region events.Region = "local"

// stack is a NATS server, the secrets that its gateways share, and a log for the fakes: an agent or a streamer is to a
// gateway nothing but what it appends.
type stack struct {
	t    *testing.T
	nats *eventstest.Server
	log  *events.Log
	mint *token.Mint
	// token is of the account tester.
	token string
	// via are options of the gateways' connections to NATS.
	via []nats.Option
}

func newStack(t *testing.T) *stack {
	t.Helper()
	server := eventstest.Start(t)
	return &stack{t: t, nats: server, log: eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{}), mint: openMint(t)}
}

// openMint makes a mint with keys of its own.
func openMint(t testing.TB) *token.Mint {
	t.Helper()
	mint, err := token.Open(t.TempDir(), discard())
	require.NoError(t, err)
	return mint
}

// replica is one running gateway.
type replica struct {
	*Gateway
	stack *stack
	url   string
	// token is what the gateway is asked with, and admin the path of its admin socket.
	token string
	admin string
	// stop ends the gateway and returns what Run returned.
	stop func() error
}

// gateway starts a gateway with its own connection; change is done before it runs.
func (s *stack) gateway(change ...func(*Gateway)) *replica {
	s.t.Helper()
	nc := s.nats.Connect(s.t, s.via...)
	logger := slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	log, err := events.New(nc, logger)
	require.NoError(s.t, err)
	g := New(Config{Log: log, Logger: logger, Tokens: s.mint, Origins: []string{"*"}, Version: "test"})
	checker := openapitest.New(s.t)
	g.before = checker.Before
	for _, c := range change {
		c(g)
	}
	g.settings = g.newSettings() // of the configuration as it is now
	l, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(s.t, err)
	r := &replica{Gateway: g, stack: s, url: "http://" + l.Addr().String(), admin: s.t.TempDir() + "/a.sock"}
	l = narrow{l}
	admin, err := new(net.ListenConfig).Listen(s.t.Context(), "unix", r.admin)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, l, admin, func() { close(ready) }) }()
	r.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	s.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			s.t.Errorf("gateway: %v", err)
		}
		nc.Close()
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		s.t.Fatalf("gateway ended at its start: %v", err)
	case <-time.After(within):
		s.t.Fatal("the gateway is not ready")
	}
	if s.token == "" {
		s.token, err = g.CreateAccount(s.t.Context(), "tester", time.Now().Add(time.Hour))
		require.NoError(s.t, err)
	}
	r.token = s.token
	return r
}

// narrow is a listener whose connections buffer little, so that a client that does not read shows soon.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		err = tcp.SetWriteBuffer(16 << 10)
	}
	return c, err //nolint:wrapcheck // it stands for the listener
}

// answer is what a gateway answered; Header is for the few tests that look at it.
type answer struct {
	Type       string          `json:"type"`
	Status     string          `json:"status"`
	StatusCode int             `json:"status_code"`
	Error      string          `json:"error"`
	Code       string          `json:"code"`
	Metadata   json.RawMessage `json:"metadata"`
	TotalSize  *int            `json:"total_size"`
	Next       *int64          `json:"next"`
	Header     http.Header     `json:"-"`
}

// into reads the metadata.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.Metadata, v), "%s", a.Metadata)
}

// noFollow makes a redirect an answer like any other: a gateway never gives one.
var noFollow = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{DisableKeepAlives: true},
}

// do asks with the account's token, unless headers name another Authorization, and checks what holds for every answer.
func (r *replica) do(method, path, body string, headers ...string) answer {
	t := r.stack.t
	t.Helper()
	a, err := r.try(method, path, body, headers...)
	require.NoError(t, err)
	return a
}

// try is do for goroutines other than the test's.
func (r *replica) try(method, path, body string, headers ...string) (a answer, err error) {
	ctx, cancel := context.WithTimeout(r.stack.t.Context(), 3*within) // a gateway that never answers fails this test, not the package
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Authorization", "Macaroon root="+r.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := noFollow.Do(req)
	if err != nil {
		return a, fmt.Errorf("do: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, fmt.Errorf("read: %w", err)
	}
	a.Header = res.Header
	if err := a.check(res, text); err != nil {
		return a, fmt.Errorf("%s %s answered %d %s: %w", method, path, res.StatusCode, text, err)
	}
	return a, nil
}

// check holds an answer against section 3 of the contract.
func (a *answer) check(res *http.Response, text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil {
		return fmt.Errorf("not an envelope: %w", err)
	}
	good, kind := res.StatusCode < 300, "sync"
	if res.StatusCode == http.StatusAccepted {
		kind = "async"
	}
	switch {
	case res.Header.Get("Content-Type") != "application/json":
		return fmt.Errorf("content type %q", res.Header.Get("Content-Type"))
	case a.StatusCode != res.StatusCode:
		return fmt.Errorf("status_code is not %d", res.StatusCode)
	case good && (a.Type != kind || a.Status != "success" || a.Error != "" || a.Code != ""):
		return fmt.Errorf("not a success")
	case !good && (a.Type != "error" || a.Status != "failed" || a.Error == "" || a.Code == ""):
		return fmt.Errorf("not a failure that says why")
	case res.StatusCode >= 300 && res.StatusCode < 400, res.StatusCode == http.StatusInternalServerError:
		return fmt.Errorf("never")
	}
	return nil
}

// created is the metadata of a create's and a join's answer.
type created struct {
	ID     events.SessionID `json:"id"`
	URL    string           `json:"url"`
	Status string           `json:"status"`
	STUN   json.RawMessage  `json:"stun_servers"`
}

// create makes a session; body defaults to one of testcard.
func (r *replica) create(body ...string) created {
	r.stack.t.Helper()
	text := `{"app":"testcard","joinable":true}`
	if len(body) > 0 {
		text = body[0]
	}
	a := r.do(http.MethodPost, "/1.0/sessions/", text)
	require.Equal(r.stack.t, http.StatusCreated, a.StatusCode, a.Error)
	var c created
	a.into(r.stack.t, &c)
	return c
}

func (r *replica) join(id events.SessionID) created {
	r.stack.t.Helper()
	a := r.do(http.MethodPost, "/1.0/sessions/"+string(id)+"/join", "")
	require.Equal(r.stack.t, http.StatusOK, a.StatusCode, a.Error)
	var c created
	a.into(r.stack.t, &c)
	return c
}

// status is the session's status as the API shows it, or 404.
func (r *replica) status(id events.SessionID) string {
	r.stack.t.Helper()
	a := r.do(http.MethodGet, "/1.0/sessions/"+string(id), "")
	if a.StatusCode == http.StatusNotFound {
		return "404"
	}
	var s sessionObject
	a.into(r.stack.t, &s)
	return string(s.Status)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func jsonInto(text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("json: %w", err)
	}
	return nil
}

// adminDo asks the admin socket.
func (r *replica) adminDo(method, path, body string) (a answer) {
	t := r.stack.t
	t.Helper()
	unix := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.admin)
	}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://admin"+path, strings.NewReader(body))
	require.NoError(t, err)
	res, err := (&http.Client{Transport: unix}).Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, a.check(res, text))
	return a
}
