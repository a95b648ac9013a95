package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source tells at each scrape what a gateway knows. All but [Model.Last] must answer at once.
type Source struct {
	// Sessions is how many sessions have each status, those that are gone among them.
	Sessions func() map[string]int
	Accounts func() int
	// Agents is how many agents are registered, and how many of them have no heartbeat.
	Agents func() (registered, unresponsive int)
	// Sockets and Feeds are how many are open at this gateway.
	Sockets, Feeds func() int
	Models         []Model
	// Connected tells whether NATS is there, Reconnects how often it was there again.
	Connected  func() bool
	Reconnects func() uint64
}

// Model is a read model.
type Model struct {
	Name string
	// At is the sequence that it has folded last.
	At func() uint64
	// Last is the last sequence of its stream.
	Last func(context.Context) (uint64, error)
}

// lastTime bounds the questions to the log of one scrape; Prometheus waits 10 s by default.
const lastTime = time.Second

func desc(prefix, name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+"_"+name, help, labels, nil)
}

var (
	descSessions     = desc(contract, "sessions_total", "Sessions by status, those that are gone among them.", "status")
	descAccounts     = desc(contract, "accounts_total", "Accounts that exist.")
	descAgents       = desc(contract, "agents_total", "Agents that are registered and did not say that they end.")
	descUnresponsive = desc(contract, "agents_unresponsive", "Of these agents those without a heartbeat.")
	descSockets      = desc(own, "sockets_open", "Websockets of clients that are open at this gateway.")
	descFeeds        = desc(own, "event_streams_open", "Streams of Server-Sent Events that are open at this gateway.")
	descConnected    = desc(own, "nats_connected", "1 while NATS is connected.")
	descReconnects   = desc(own, "nats_reconnects_total", "How often NATS was away and came back.")
)

// collector reads a [Source] at each scrape, so that nothing has to be kept up to date between them.
type collector struct{ src Source }

// Describe implements [prometheus.Collector].
func (*collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descSessions, descAccounts, descAgents, descUnresponsive, descSockets, descFeeds, descConnected, descReconnects,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for status, n := range c.src.Sessions() {
		gauge(descSessions, n, status)
	}
	gauge(descAccounts, c.src.Accounts())
	registered, unresponsive := c.src.Agents()
	gauge(descAgents, registered)
	gauge(descUnresponsive, unresponsive)
	gauge(descSockets, c.src.Sockets())
	gauge(descFeeds, c.src.Feeds())
	out <- prometheus.MustNewConstMetric(descReconnects, prometheus.CounterValue, float64(c.src.Reconnects()))
	connected := 0
	if c.src.Connected() {
		connected = 1
	}
	gauge(descConnected, connected)
}

// models are the metrics of the read models. How far the log is takes a question, with the scrape's context, so they are
// set before each scrape.
type models struct {
	src     Source
	at, lag *prometheus.GaugeVec
}

func newModels(src Source) *models {
	byModel := []string{"model"}
	return &models{
		src: src,
		at: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: own + "_projection_sequence", Help: "Sequence of the event that a read model has folded last.",
		}, byModel),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: own + "_projection_lag_events",
			Help: "Sequences that a read model is behind its stream's end; events that expired there unseen count until the next comes. Absent while NATS does not answer.",
		}, byModel),
	}
}

// refresh asks where the read models and their streams are. What the log does not answer in time is left out, so that a
// scrape never hangs.
func (m *models) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastTime)
	defer cancel()
	connected := m.src.Connected()
	var asked sync.WaitGroup
	for _, x := range m.src.Models {
		asked.Go(func() {
			at := x.At() // before the stream's end, or a model could seem ahead of it
			m.at.WithLabelValues(x.Name).Set(float64(at))
			if connected {
				if last, err := x.Last(ctx); err == nil {
					m.lag.WithLabelValues(x.Name).Set(float64(last - min(at, last)))
					return
				}
			}
			m.lag.DeleteLabelValues(x.Name)
		})
	}
	asked.Wait()
}
