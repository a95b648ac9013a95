package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/limit"
	"streamstack/gateway/metrics"
	"streamstack/projections"
)

// metricsPath is where the metrics are, with and without a final slash.
const metricsPath = "/metrics"

// source is what the metrics ask at each scrape.
func (g *Gateway) source() metrics.Source {
	last := func(stream string) func(context.Context) (uint64, error) {
		return func(ctx context.Context) (uint64, error) {
			b, err := g.cfg.Log.Bounds(ctx, stream)
			return uint64(b.Last), err
		}
	}
	return metrics.Source{
		Sessions: g.totals, Agents: g.countAgents,
		Accounts: func() (n int) {
			g.accounts.Read(func(a *projections.Accounts) { n = len(a.List()) })
			return n
		},
		Sockets: g.bounds.sockets.All,
		Feeds:   func() int { return int(g.feeds.Load()) },
		Models: []metrics.Model{
			{Name: "sessions", At: func() uint64 { return uint64(g.sessions.At()) }, Last: last(events.SessionsStream)},
			{Name: "agents", At: func() uint64 { return uint64(g.agents.At()) }, Last: last(events.AgentsStream)},
			{Name: "accounts", At: func() uint64 { return uint64(g.accounts.At()) }, Last: last(events.AccountsStream)},
		},
		Connected:  func() bool { return g.cfg.Log.Conn().IsConnected() },
		Reconnects: func() uint64 { return g.cfg.Log.Conn().Stats().Reconnects },
	}
}

// totals are the sessions of each status since the log began.
func (g *Gateway) totals() map[string]int {
	out := make(map[string]int, len(statuses))
	g.sessions.Read(func(m *projections.Sessions) {
		for _, s := range statuses {
			out[string(s)] = m.Total(s)
		}
	})
	return out
}

// countAgents are those that did not say that they end, and of these those without a heartbeat.
func (g *Gateway) countAgents() (registered, unresponsive int) {
	ever, alive := g.agentsNow()
	for _, a := range ever {
		if a.Online {
			registered++
		}
	}
	return registered, registered - len(alive)
}

// getMetrics is GET /metrics on the public listener: for programs on this machine, as long as the operator gave the metrics no
// listener of their own. They name no client, but tell a stranger how busy the place is; and what a page in the operator's
// browser can reach, or a proxy hands on, is not this machine.
func (g *Gateway) getMetrics(c echo.Context) error {
	if g.cfg.Metrics != nil || !limit.Direct(c.Request()) {
		return &apiError{status: http.StatusForbidden, code: codeForbidden,
			message: "the metrics are for programs on the gateway's machine, or for those that reach the address of --metrics"}
	}
	g.metrics.Handler().ServeHTTP(c.Response(), c.Request())
	return nil
}

// beside serves the metrics beside h, to whoever reaches its listener.
func (g *Gateway) beside(h http.Handler) http.Handler {
	scrape := g.metrics.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimSuffix(r.URL.Path, "/") == metricsPath {
			scrape.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
