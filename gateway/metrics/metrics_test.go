package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// source is a gateway's that NATS answers if connected.
func source(connected *bool) Source {
	last := func(n uint64) func(context.Context) (uint64, error) {
		return func(context.Context) (uint64, error) {
			if n == 0 {
				return 0, errors.New("no answer")
			}
			return n, nil
		}
	}
	return Source{
		Sessions: func() map[string]int { return map[string]int{"created": 1, "active": 2, "terminated": 30} },
		Accounts: func() int { return 4 }, Agents: func() (int, int) { return 3, 1 },
		Sockets: func() int { return 5 }, Feeds: func() int { return 6 },
		Models: []Model{
			{"sessions", func() uint64 { return 90 }, last(100)}, {"agents", func() uint64 { return 8 }, last(7)},
			{"accounts", func() uint64 { return 1 }, last(0)},
		},
		Connected: func() bool { return *connected }, Reconnects: func() uint64 { return 2 },
	}
}

// scrape parses what Prometheus would get, with its own parser.
func scrape(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	require.Contains(t, rec.Header().Get("Content-Type"), "text/plain; version=0.0.4")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(rec.Body)
	require.NoError(t, err)
	return all
}

// value is that of a gauge or counter with these labels, name=value each.
func value(t *testing.T, all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	f := all[name]
	require.NotNil(t, f, name)
	for _, x := range f.GetMetric() {
		var have []string
		for _, l := range x.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(have, ",") == strings.Join(labels, ",") {
			return x.GetGauge().GetValue() + x.GetCounter().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("no %s with %v: %v", name, labels, f)
	return 0
}

func has(all map[string]*dto.MetricFamily, name, label string) bool {
	for _, x := range all[name].GetMetric() {
		for _, l := range x.GetLabel() {
			if l.GetValue() == label {
				return true
			}
		}
	}
	return false
}

// The contract's names, types and handlers are there before anything was asked, and the rest says what the source does.
func TestNames(t *testing.T) {
	t.Parallel()
	connected := true
	m := New(source(&connected))
	all := scrape(t, m)
	for name, kind := range map[string]dto.MetricType{
		"in_flight_requests": dto.MetricType_GAUGE, "request_duration_seconds": dto.MetricType_HISTOGRAM,
		"request_size_bytes": dto.MetricType_HISTOGRAM, "response_size_bytes": dto.MetricType_HISTOGRAM,
	} {
		f := all["anbox_stream_gateway_http_"+name]
		require.NotNil(t, f, name)
		require.Equal(t, kind, f.GetType(), name)
		for _, h := range Contract {
			require.True(t, has(all, f.GetName(), h), "%s %s", name, h)
		}
	}
	require.InDelta(t, 2, value(t, all, "anbox_stream_gateway_sessions_total", "status=active"), 0)
	require.InDelta(t, 30, value(t, all, "anbox_stream_gateway_sessions_total", "status=terminated"), 0)
	require.InDelta(t, 4, value(t, all, "anbox_stream_gateway_accounts_total"), 0)
	require.InDelta(t, 3, value(t, all, "anbox_stream_gateway_agents_total"), 0)
	require.InDelta(t, 1, value(t, all, "anbox_stream_gateway_agents_unresponsive"), 0)
	require.InDelta(t, 5, value(t, all, "streamstack_sockets_open"), 0)
	require.InDelta(t, 6, value(t, all, "streamstack_event_streams_open"), 0)
	require.InDelta(t, 10, value(t, all, "streamstack_projection_lag_events", "model=sessions"), 0)
	require.InDelta(t, 0, value(t, all, "streamstack_projection_lag_events", "model=agents"), 0, "never less than nothing")
	require.False(t, has(all, "streamstack_projection_lag_events", "accounts"), "what is not known is not told")
	require.InDelta(t, 1, value(t, all, "streamstack_projection_sequence", "model=accounts"), 0)
	require.InDelta(t, 1, value(t, all, "streamstack_nats_connected"), 0)
	require.InDelta(t, 2, value(t, all, "streamstack_nats_reconnects_total"), 0)
	require.Contains(t, all, "go_goroutines")
	require.Contains(t, all, "process_resident_memory_bytes")

	connected = false
	all = scrape(t, m)
	require.InDelta(t, 0, value(t, all, "streamstack_nats_connected"), 0)
	require.False(t, has(all, "streamstack_projection_lag_events", "sessions"))
	require.InDelta(t, 90, value(t, all, "streamstack_projection_sequence", "model=sessions"), 0)
}

// Prometheus' own linter finds nothing but what the contract's names force on us.
func TestLint(t *testing.T) {
	t.Parallel()
	connected := true
	m := New(source(&connected))
	scrape(t, m)
	problems, err := testutil.GatherAndLint(m.registry)
	require.NoError(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "anbox_stream_gateway_") && strings.HasSuffix(p.Metric, "_total") && strings.Contains(p.Text, `"_total" suffix`) {
			continue // gauges that the contract calls so
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Requests are counted by handler, method and code, errors with the status that was answered, and whatever a client makes
// up takes no series of its own.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	connected := true
	m := New(source(&connected))
	e := echo.New()
	e.Use(m.Middleware)
	held, release := make(chan struct{}), make(chan struct{})
	e.GET("/1.0/sessions/:id", func(c echo.Context) error {
		switch c.Param("id") {
		case "gone":
			return echo.ErrNotFound
		case "held":
			close(held)
			<-release
		}
		return c.String(http.StatusOK, "hello")
	})
	ask := func(method, path string) int {
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader("body")))
		return rec.Code
	}
	for i := range 100 {
		ask(http.MethodGet, fmt.Sprintf("/1.0/sessions/s%d", i))
		ask(http.MethodGet, fmt.Sprintf("/wp-admin/%d.php", i))
		ask(fmt.Sprintf("M%d", i), "/1.0/sessions/x")
	}
	require.Equal(t, http.StatusNotFound, ask(http.MethodGet, "/1.0/sessions/gone"))
	go ask(http.MethodGet, "/1.0/sessions/held")
	<-held
	all := scrape(t, m)
	const requests = "anbox_stream_gateway_http_requests_total"
	require.InDelta(t, 1, value(t, all, "anbox_stream_gateway_http_in_flight_requests", "handler=get_session"), 0)
	close(release)
	require.InDelta(t, 100, value(t, all, requests, "code=200", "handler=get_session", "method=get"), 0)
	require.InDelta(t, 1, value(t, all, requests, "code=404", "handler=get_session", "method=get"), 0)
	require.InDelta(t, 100, value(t, all, requests, "code=404", "handler=other", "method=get"), 0)
	require.InDelta(t, 100, value(t, all, requests, "code=405", "handler=other", "method=other"), 0)
	require.Len(t, all[requests].GetMetric(), 4)
	require.InDelta(t, 101, value(t, all, "anbox_stream_gateway_http_request_duration_seconds", "handler=get_session"), 0)
	require.InDelta(t, 101, value(t, all, "anbox_stream_gateway_http_response_size_bytes", "handler=get_session"), 0)
}

// Appends are counted by what became of them.
func TestCounters(t *testing.T) {
	t.Parallel()
	connected := true
	m := New(source(&connected))
	for _, err := range []error{nil, nil, fmt.Errorf("x: %w", events.ErrConflict), events.ErrUnavailable, errors.New("no")} {
		m.Appended(events.Appended{Name: events.Created, Took: time.Millisecond, Err: err})
	}
	m.Slow()
	for _, l := range Limits {
		m.Hit(l)
	}
	all := scrape(t, m)
	for result, n := range map[string]float64{"stored": 2, "conflict": 1, "unavailable": 1, "refused": 1} {
		require.InDelta(t, n, value(t, all, "streamstack_events_appended_total", "result="+result), 0, result)
	}
	require.InDelta(t, 5, value(t, all, "streamstack_append_duration_seconds"), 0)
	require.InDelta(t, 1, value(t, all, "streamstack_slow_clients_total"), 0)
	for _, l := range Limits {
		require.InDelta(t, 1, value(t, all, "streamstack_limits_hit_total", "limit="+string(l)), 0)
	}
}
