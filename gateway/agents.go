package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
)

// The statuses of an agent.
const (
	agentOnline   = "online"
	agentDraining = "draining"
	agentSilent   = "silent"  // its heartbeat has expired
	agentOffline  = "offline" // it said that it goes
)

// agentObject is an agent as the API shows it.
type agentObject struct {
	ID           events.AgentID     `json:"id"`
	Region       events.Region      `json:"region"`
	Status       string             `json:"status"`
	Driver       string             `json:"driver"`
	Version      string             `json:"version"`
	Slots        int                `json:"slots"`
	Sessions     int                `json:"sessions"`
	Load         *float64           `json:"load,omitempty"`
	Warm         *int               `json:"warm,omitempty"`
	GPUs         []events.GPUData   `json:"gpus"`
	Applications []agentApplication `json:"applications"`
	Since        string             `json:"since"` // RFC 3339
	Drain        *agentDrain        `json:"drain,omitempty"`
}

type agentApplication struct {
	Name     string `json:"name"`
	Versions []int  `json:"versions"`
}

type agentDrain struct {
	By    string `json:"by"`
	Until string `json:"until,omitempty"` // RFC 3339
}

// drainRequest is the body of POST …/drain.
type drainRequest struct {
	DeadlineMin *int `json:"deadline_min"`
}

// maxDrainMin is the longest deadline of a drain, in minutes: a year.
const maxDrainMin = 365 * 24 * 60

// asAgentObject adds what the sessions and the heartbeat tell.
func (g *Gateway) asAgentObject(a projections.Agent) agentObject {
	beat, alive := g.alive.last(events.HeartbeatKey(a.Region, a.ID))
	o := agentObject{ID: a.ID, Region: a.Region, Driver: a.Driver, Version: a.Version, Slots: a.Slots, GPUs: a.GPUs, Since: a.Since.UTC().Format(time.RFC3339Nano),
		Applications: make([]agentApplication, 0, len(a.Applications))}
	if o.GPUs == nil {
		o.GPUs = []events.GPUData{}
	}
	for _, x := range a.Applications {
		o.Applications = append(o.Applications, agentApplication{x.Name, append([]int{}, x.Versions...)})
	}
	g.sessions.Read(func(m *projections.Sessions) {
		_, held := m.Load(a.Region)
		o.Sessions = held[a.ID]
	})
	switch {
	case !a.Online:
		o.Status = agentOffline
	case !alive:
		o.Status = agentSilent
	case a.Draining:
		o.Status = agentDraining
	default:
		o.Status = agentOnline
	}
	if alive {
		o.Load, o.Warm = beat.Load, beat.Warm
	}
	if a.Draining {
		o.Drain = &agentDrain{By: a.DrainBy}
		if !a.DrainUntil.IsZero() {
			o.Drain.Until = a.DrainUntil.UTC().Format(time.RFC3339)
		}
	}
	return o
}

// listAgents is GET /1.0/agents: all agents but, unless all is asked for, those that have said good-bye.
func (g *Gateway) listAgents(c echo.Context) error {
	all, err := boolParam(c, "all")
	if err != nil {
		return err
	}
	ever, _ := g.agentsNow()
	out := []agentObject{}
	for _, a := range ever {
		if a.Online || all {
			out = append(out, g.asAgentObject(a))
		}
	}
	return succeedList(c, out, len(out))
}

// agent finds the agent that a request names. Ids are unique by the way they are made; of two regions' that are not, the
// parameter region chooses.
func (g *Gateway) agent(c echo.Context) (projections.Agent, error) {
	id, region := c.Param("id"), c.QueryParam("region")
	ever, _ := g.agentsNow()
	for _, a := range ever {
		if string(a.ID) == id && (region == "" || string(a.Region) == region) {
			return a, nil
		}
	}
	return projections.Agent{}, &apiError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf("agent %s does not exist", quoted(id))}
}

// getAgent is GET /1.0/agents/{id}.
func (g *Gateway) getAgent(c echo.Context) error {
	a, err := g.agent(c)
	if err != nil {
		return err
	}
	return succeed(c, http.StatusOK, g.asAgentObject(a))
}

// drainAgent is POST /1.0/agents/{id}/drain. The agent reads it in the log, also when it is away now.
func (g *Gateway) drainAgent(c echo.Context) error {
	var req drainRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	d := events.DrainData{By: "account:" + caller(c)}
	if m := req.DeadlineMin; m != nil {
		if *m < 0 || *m > maxDrainMin {
			return badRequest("deadline_min must be 0 to %d minutes, not %d", maxDrainMin, *m)
		}
		d.Until = g.now().Add(time.Duration(*m) * time.Minute).UTC().Format(time.RFC3339)
	}
	return g.order(c, events.AgentDrain, d)
}

// resumeAgent is DELETE /1.0/agents/{id}/drain.
func (g *Gateway) resumeAgent(c echo.Context) error {
	return g.order(c, events.AgentResume, events.DrainData{By: "account:" + caller(c)})
}

// order appends what an agent shall do, and answers with the agent as it then is to be.
func (g *Gateway) order(c echo.Context, n events.Name, d events.DrainData) error {
	a, err := g.agent(c)
	if err != nil {
		return err
	}
	if !a.Online {
		return &apiError{status: http.StatusBadRequest, code: codeWrongState, message: fmt.Sprintf("agent %s has left: there is nothing to drain", a.ID)}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	seq, err := g.cfg.Log.Append(ctx, events.NewOrderDraft(a.Region, a.ID, n, d))
	if err != nil {
		return err
	}
	if err := g.agents.Wait(ctx, seq); err != nil {
		return fmt.Errorf("gateway: %w: %w", events.ErrUnavailable, err)
	}
	g.agents.Read(func(m *projections.Agents) { a, _ = m.Get(a.Region, a.ID) })
	return succeed(c, http.StatusOK, g.asAgentObject(a))
}
