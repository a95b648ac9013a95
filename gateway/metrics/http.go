package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// httpMetrics are those of each route.
type httpMetrics struct {
	inFlight                 *prometheus.GaugeVec
	requests                 *prometheus.CounterVec
	duration, request, reply *prometheus.HistogramVec
}

func newHTTPMetrics() httpMetrics {
	byHandler := []string{"handler"}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: contract + "_http_" + name, Help: help, Buckets: buckets}, byHandler)
	}
	sizes := prometheus.ExponentialBuckets(128, 4, 8) // to 2 MiB
	m := httpMetrics{
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: contract + "_http_in_flight_requests", Help: "Requests under way; of a websocket's handler those that are open.",
		}, byHandler),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: contract + "_http_requests_total", Help: "Requests that were answered.",
		}, []string{"handler", "method", "code"}),
		duration: histogram("request_duration_seconds", "Time to the answer's end; of a websocket its life.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 600}),
		request: histogram("request_size_bytes", "Size of a request's body and header, about.", sizes),
		reply:   histogram("response_size_bytes", "Size of an answer's body.", sizes),
	}
	for _, h := range Contract { // there from the first scrape on
		m.inFlight.WithLabelValues(h)
		for _, v := range []*prometheus.HistogramVec{m.duration, m.request, m.reply} {
			v.WithLabelValues(h)
		}
	}
	return m
}

func (m *httpMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.inFlight, m.requests, m.duration, m.request, m.reply}
}

// Describe implements [prometheus.Collector].
func (m *httpMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(out)
	}
}

// Collect implements [prometheus.Collector].
func (m *httpMetrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(out)
	}
}

// Middleware counts each request under its handler's name. It answers errors itself, with echo's error handler, since
// only then the status is known.
func (m *Metrics) Middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		handler := Handler(r.Method, c.Path())
		flying := m.http.inFlight.WithLabelValues(handler)
		flying.Inc()
		defer flying.Dec()
		begun := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		if c.Response().Status != http.StatusSwitchingProtocols {
			m.http.duration.WithLabelValues(handler).Observe(time.Since(begun).Seconds())
		}
		m.http.request.WithLabelValues(handler).Observe(requestSize(r))
		m.http.reply.WithLabelValues(handler).Observe(float64(c.Response().Size))
		m.http.requests.WithLabelValues(handler, method(r.Method), strconv.Itoa(c.Response().Status)).Inc()
		return nil
	}
}

// Opened counts a websocket as under way beyond its request, which has been upgraded, until closed is called.
func (m *Metrics) Opened(c echo.Context) (closed func()) {
	handler := Handler(c.Request().Method, c.Path())
	flying, duration := m.http.inFlight.WithLabelValues(handler), m.http.duration.WithLabelValues(handler)
	flying.Inc()
	begun := time.Now()
	return func() {
		flying.Dec()
		duration.Observe(time.Since(begun).Seconds())
	}
}

// requestSize is about what came over the wire, as promhttp reckons it.
func requestSize(r *http.Request) float64 {
	n := len(r.Method) + len(r.Proto) + len(r.Host) + len(r.URL.RequestURI())
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return float64(int64(n) + max(0, r.ContentLength))
}

// methods are those that a label may have, in lower case as promhttp has them: a client may send any word.
var methods = map[string]string{
	http.MethodGet: "get", http.MethodHead: "head", http.MethodPost: "post", http.MethodPut: "put", http.MethodPatch: "patch",
	http.MethodDelete: "delete", http.MethodOptions: "options",
}

func method(m string) string {
	if label, ok := methods[m]; ok {
		return label
	}
	return other
}
