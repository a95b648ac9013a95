package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/limit"
	"streamstack/gateway/metrics"
)

// scrape is what a program on this machine gets.
func (r *replica) scrape() string {
	t := r.stack.t
	t.Helper()
	status, text := fetch(t, http.DefaultClient, r.url+"/metrics")
	require.Equal(t, http.StatusOK, status, text)
	return text
}

func fetch(t *testing.T, c *http.Client, url string, headers ...string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // it was read
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// metric is the value of a line of the metrics.
func (r *replica) metric(name string) float64 {
	t := r.stack.t
	t.Helper()
	for line := range strings.Lines(r.scrape()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(t, err)
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// The metrics of a gateway that works say what it does, and a page's SDK requests come under the contract's handlers.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	dial(t, c.URL)
	r.stack.awaits(c.ID, "client.attached", 1)
	r.stack.ready(c.ID, r)
	r.do(http.MethodGet, "/1.0/sessions/none", "")
	r.join(r.create().ID)
	l := r.mustListen("/1.0/events", "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	_, err := parser.TextToMetricFamilies(strings.NewReader(r.scrape()))
	require.NoError(t, err)
	for name, want := range map[string]float64{
		`anbox_stream_gateway_sessions_total{status="active"}`:                                              1,
		`anbox_stream_gateway_sessions_total{status="created"}`:                                             1,
		`anbox_stream_gateway_sessions_total{status="error"}`:                                               0,
		`anbox_stream_gateway_accounts_total`:                                                               1,
		`anbox_stream_gateway_agents_total`:                                                                 1,
		`anbox_stream_gateway_agents_unresponsive`:                                                          0,
		`anbox_stream_gateway_http_requests_total{code="201",handler="create_new_session",method="post"}`:   2,
		`anbox_stream_gateway_http_requests_total{code="200",handler="join_session",method="post"}`:         1,
		`anbox_stream_gateway_http_requests_total{code="404",handler="get_session",method="get"}`:           1,
		`anbox_stream_gateway_http_in_flight_requests{handler="streaming_websocket_slave"}`:                 1,
		`anbox_stream_gateway_http_request_duration_seconds_bucket{handler="create_new_session",le="+Inf"}`: 2,
		`streamstack_sockets_open`:                                                                          1,
		`streamstack_event_streams_open`:                                                                    1,
		`streamstack_nats_connected`:                                                                        1,
	} {
		require.InDelta(t, want, r.metric(name), 0, name)
	}
	require.GreaterOrEqual(t, r.metric(`streamstack_events_appended_total{result="stored"}`), 5.0)
	eventstest.Wait(t, within, func() string {
		if lag := r.metric(`streamstack_projection_lag_events{model="sessions"}`); lag > 0 {
			return "a read model that has caught up"
		}
		return ""
	})
	l.close()
	// An agent whose heartbeat is gone, and one that said that it ends.
	require.NoError(t, deleteBeat(t.Context(), r.stack, "a1"))
	eventstest.Wait(t, within, func() string {
		if r.metric("anbox_stream_gateway_agents_unresponsive") != 1 {
			return "an unresponsive agent"
		}
		return ""
	})
	require.InDelta(t, 1, r.metric("anbox_stream_gateway_agents_total"), 0)
}

// deleteBeat takes away a fake agent's heartbeat.
func deleteBeat(ctx context.Context, s *stack, id events.AgentID) error {
	kv, err := s.log.JetStream().KeyValue(ctx, events.HeartbeatBucket)
	if err != nil {
		return err //nolint:wrapcheck // for a test
	}
	return kv.Delete(ctx, events.HeartbeatKey(region, id)) //nolint:wrapcheck // for a test
}

// The metrics are for programs on this machine, for the admin socket, or for whoever reaches a listener of their own.
func TestWhoReadsMetrics(t *testing.T) {
	t.Parallel()
	r := house(t)
	for _, header := range []string{"Origin", "X-Forwarded-For", "Forwarded"} {
		status, text := fetch(t, http.DefaultClient, r.url+"/metrics", header, "https://evil.example.net")
		require.Equal(t, http.StatusForbidden, status, header)
		require.Contains(t, text, "--metrics")
	}
	admin := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.admin)
	}}}
	status, text := fetch(t, admin, "http://admin/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "streamstack_nats_connected 1")
	status, _ = fetch(t, admin, "http://admin/1.0/accounts")
	require.Equal(t, http.StatusOK, status, "the rest of the admin API is still there")

	own, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	second := r.stack.gateway(func(g *Gateway) { g.cfg.Metrics = own })
	for _, base := range []string{r.url, "http://" + own.Addr().String()} {
		status, _ = fetch(t, http.DefaultClient, base+"/metrics/")
		require.Equal(t, http.StatusOK, status, "every path is served with and without a final slash")
	}
	status, text = fetch(t, http.DefaultClient, "http://"+own.Addr().String()+"/metrics", "X-Forwarded-For", "192.0.2.1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "anbox_stream_gateway_sessions_total")
	status, _ = fetch(t, http.DefaultClient, "http://"+own.Addr().String()+"/1.0/")
	require.Equal(t, http.StatusNotFound, status, "nothing but the metrics")
	status, _ = fetch(t, http.DefaultClient, second.url+"/metrics")
	require.Equal(t, http.StatusForbidden, status)
}

// Every route has a label of its own, so none that is added is forgotten.
func TestRoutesHaveLabels(t *testing.T) {
	t.Parallel()
	g := New(Config{Logger: discard(), Console: http.NotFoundHandler(), Limits: new(limit.Figures)})
	for _, r := range g.echo.Routes() {
		require.NotEqual(t, "other", metrics.Handler(r.Method, r.Path), "%s %s: name it in metrics/handlers.go", r.Method, r.Path)
	}
}
