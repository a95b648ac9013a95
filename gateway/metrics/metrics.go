// Package metrics shows a gateway to Prometheus: the contract's metrics under its names (gateway-api.md, section 13), and
// those of the log and of the limits, which begin with streamstack_.
//
// Each gateway has a registry of its own, so that two in one process do not add up, and nothing that a library registers
// globally gets out. Labels come from closed sets only: a session's id, an account's name or a path that a client made up is
// never one, so that the number of series is the same however long a gateway runs, and whoever talks to it.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"streamstack/events"
)

// Prefixes of the names.
const (
	contract = "anbox_stream_gateway"
	own      = "streamstack"
)

// Metrics are those of one gateway. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	http     httpMetrics
	models   *models
	appended *prometheus.CounterVec
	latency  prometheus.Histogram
	slow     prometheus.Counter
	limits   *prometheus.CounterVec
}

// New makes the metrics of a gateway. src is asked at each scrape.
func New(src Source) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		http:     newHTTPMetrics(),
		models:   newModels(src),
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: own + "_events_appended_total", Help: "Appends to the log, by what became of them.",
		}, []string{"result"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: own + "_append_duration_seconds", Help: "Time from an append to its acknowledgement by the log, failed ones included.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2},
		}),
		slow: prometheus.NewCounter(prometheus.CounterOpts{
			Name: own + "_slow_clients_total", Help: "Clients that were cut off since they did not read, or did not read fast enough.",
		}),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: own + "_limits_hit_total", Help: "Requests, sockets and messages that were refused by a limit.",
		}, []string{"limit"}),
	}
	for _, r := range results {
		m.appended.WithLabelValues(r)
	}
	for _, l := range Limits {
		m.limits.WithLabelValues(string(l))
	}
	m.registry.MustRegister(m.appended, m.latency, m.slow, m.limits, &m.http, m.models.at, m.models.lag, &collector{src: src},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics in Prometheus' text format, or OpenMetrics where it is asked for.
func (m *Metrics) Handler() http.Handler {
	scrape := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.models.refresh(r.Context())
		scrape.ServeHTTP(w, r)
	})
}

// maxScrapes is how many scrapes are answered at once: each asks the log how far it is.
const maxScrapes = 4

// What becomes of an append.
const (
	resultStored      = "stored"
	resultConflict    = "conflict"
	resultUnavailable = "unavailable"
	resultRefused     = "refused"
)

var results = []string{resultStored, resultConflict, resultUnavailable, resultRefused}

// Appended counts one append; it is what [events.Log.Observed] takes.
func (m *Metrics) Appended(a events.Appended) {
	m.latency.Observe(a.Took.Seconds())
	result := resultRefused
	switch {
	case a.Err == nil:
		result = resultStored
	case a.Conflict():
		result = resultConflict
	case a.Unavailable():
		result = resultUnavailable
	}
	m.appended.WithLabelValues(result).Inc()
}

// Slow counts a client that was cut off since it did not read.
func (m *Metrics) Slow() { m.slow.Inc() }

// Limit is one of the gateway's limits.
type Limit string

// The limits.
const (
	RequestRate  Limit = "request_rate"
	DeniedRate   Limit = "denied_rate"
	BodySize     Limit = "body_size"
	SessionCount Limit = "sessions"
	SocketCount  Limit = "sockets"
	ViewerCount  Limit = "viewers"
	FeedCount    Limit = "feeds"
	MessageSize  Limit = "message_size"
	MessageRate  Limit = "message_rate"
)

// Limits are all of them.
var Limits = []Limit{RequestRate, DeniedRate, BodySize, SessionCount, SocketCount, ViewerCount, FeedCount, MessageSize, MessageRate}

// Hit counts one that a limit refused.
func (m *Metrics) Hit(l Limit) { m.limits.WithLabelValues(string(l)).Inc() }
