package gateway

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/projections"
)

// named is an entry of the lists of applications and regions.
type named struct {
	Name string `json:"name"`
}

// getApplications lists what can be started now: the applications of agents that are up and take work.
func (g *Gateway) getApplications(c echo.Context) error {
	_, alive := g.agentsNow()
	return g.names(c, taking(alive), func(a projections.Agent) (out []string) {
		for _, x := range a.Applications {
			out = append(out, x.Name)
		}
		return out
	})
}

// getRegions lists the regions of agents that are up.
func (g *Gateway) getRegions(c echo.Context) error {
	_, alive := g.agentsNow()
	return g.names(c, alive, func(a projections.Agent) []string { return []string{string(a.Region)} })
}

func (g *Gateway) names(c echo.Context, agents []projections.Agent, of func(projections.Agent) []string) error {
	var all []string
	for _, a := range agents {
		all = append(all, of(a)...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	out := make([]named, 0, len(all))
	for _, n := range all {
		out = append(out, named{n})
	}
	return succeedList(c, out, len(out))
}

// statusObject is the answer of GET /1.0/status; the numbers are for those who have a token.
type statusObject struct {
	Status        string `json:"status"`
	Version       string `json:"version,omitempty"`
	Agents        *int   `json:"agents,omitempty"`
	DatabaseNodes *int   `json:"database_nodes,omitempty"`
}

// statusTime bounds the question to NATS: a status comes within two seconds, whatever it is.
const statusTime = 1500 * time.Millisecond

// answers tells whether NATS is there and talks: a connection may look well long after the network behind it has gone.
func (g *Gateway) answers(ctx context.Context) bool {
	if !g.cfg.Log.Conn().IsConnected() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	return g.cfg.Log.Conn().FlushWithContext(ctx) == nil
}

func (g *Gateway) getStatus(c echo.Context) error {
	s := statusObject{Status: "healthy"}
	code := http.StatusOK
	if !g.isReady() || !g.answers(c.Request().Context()) {
		s.Status, code = "unhealthy", http.StatusServiceUnavailable
	}
	if code != http.StatusOK {
		retryAfter(c, time.Second) // who asks cannot be known now
	} else if _, err := g.claims(c.Request()); err == nil {
		_, alive := g.agentsNow()
		agents, nodes := len(alive), max(1, len(g.cfg.Log.Conn().Servers()))
		s.Agents, s.DatabaseNodes, s.Version = &agents, &nodes, g.cfg.Version
	}
	if code != http.StatusOK {
		c.Response().Header().Set("Retry-After", "1") // as every 503 has
		return reply(c, code, envelope{Type: "error", Status: "failed", StatusCode: code, Metadata: s, Code: codeUnavailable,
			Error: "the gateway is starting, or does not reach NATS"})
	}
	return succeed(c, code, s)
}
